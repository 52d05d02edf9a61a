mod aiven_api;
mod credentials;
mod discovery;
mod nodes;
mod overload;
