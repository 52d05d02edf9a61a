//! `services-file`: what the file says of a Cloud Foundry, and what is wrong with one.

mod check;
mod print;
