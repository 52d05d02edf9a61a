mod reload;
mod secrets;
mod shutdown;
mod start;
mod state;
mod web_config;
