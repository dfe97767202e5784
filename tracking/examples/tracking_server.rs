//! Serves the tracking API alone, for trying it out with MLflow's client:
//! `cargo run -p tracking --example tracking_server -- sqlite:///tracking.db 127.0.0.1:5000 ./mlartifacts`.

use std::error::Error;

use tracking::{ArtifactOptions, Tracking, router};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let uri = args.next().unwrap_or_else(|| "sqlite:///tracking.db".to_owned());
    let address = args.next().unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let options = ArtifactOptions::resolve(None, args.next(), true);
    let tracking = Tracking::open(db::Db::open(&uri).await?, options).await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router(tracking)).await?;
    Ok(())
}
