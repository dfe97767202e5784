//! A gateway alone: `cargo run --example serve -- gateway.yaml 127.0.0.1:5055`, and each finished call on the terminal.

use std::path::Path;
use std::process::ExitCode;

use gateway::{Config, Gateway, Parts};

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (file, address) = (arguments.next(), arguments.next());
    let file = file.ok_or("name a configuration file and an address to listen on")?;
    let (calls, mut finished) = gateway::calls(1024, 64 << 20);
    let gateway = Gateway::start(Config::load(Path::new(&file))?, Parts { calls: Some(calls), ..Parts::default() })?;
    tokio::spawn(async move {
        while let Some(call) = finished.recv().await {
            println!("{} {} {:?} in {:?}", call.endpoint, call.kind, call.outcome, call.duration);
        }
    });
    let listener = tokio::net::TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5055")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, gateway::router(gateway)).await?;
    Ok(())
}
