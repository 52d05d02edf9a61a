//! A tenant's answers are the same, byte for byte, whether or not there are others.

mod limits;
mod login;
mod paths;
mod property;
mod requests;
mod told;
mod world;
