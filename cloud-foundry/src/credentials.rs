//! Who asks.

use rest_client::SecretSource;

/// Who asks, and how that is proved.
///
/// A secret that comes from a file is read again whenever it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A UAA client with a secret of its own, by the grant `client_credentials`.
    Client {
        /// The client's id.
        id: String,
        /// Its secret.
        secret: SecretSource,
    },
    /// A user, by the grant `password` of the client `cf`, as the official command line has it.
    User {
        /// The user's name.
        username: String,
        /// The user's password.
        password: SecretSource,
    },
    /// An access token that somebody else got, such as `cf oauth-token` prints; it isn't renewed here, but read again
    /// for each call.
    Token(SecretSource),
}
