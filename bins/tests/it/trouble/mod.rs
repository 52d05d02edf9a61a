mod aiven_api;
mod discovery;
