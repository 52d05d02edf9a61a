mod reload;
mod shutdown;
mod start;
mod state;
