//! Agreeing on a format over HTTP: what a scrape asks for and gets, and what a server answers.

mod media_type;
mod scrape;
mod serve;

pub use media_type::MediaTypeError;
pub use scrape::{ACCEPT, ContentTypeError, scrape_format};
pub use serve::{Response, ResponseFormat};
