//! JSON bodies in every format that callers of the gateway speak, to endpoints that lead nowhere.
#![no_main]

#[path = "../gateway_requests.rs"]
mod gateway_requests;

use std::sync::LazyLock;

use axum::Router;
use gateway::{Config, Gateway, Parts};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

struct Server {
    runtime: Runtime,
    router: Router,
    _folder: tempfile::TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, gateway_requests::CONFIG).expect("a file in it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let router = runtime.block_on(async {
        let config = Config::load_with_env(&file, &|_| None).expect("the configuration is sound");
        gateway::router(Gateway::start(config, Parts::default()).expect("a gateway"))
    });
    Server { runtime, router, _folder: folder }
});

fuzz_target!(|body: &[u8]| {
    SERVER.runtime.block_on(gateway_requests::send_to_all(&SERVER.router, body));
});
