//! JSON bodies of the requests that clients send most, to a server over a database in a temporary folder.
#![no_main]

#[path = "../requests.rs"]
mod requests;

use std::sync::LazyLock;

use axum::Router;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tracking::{ArtifactOptions, Tracking};

struct Server {
    runtime: Runtime,
    router: Router,
    _folder: tempfile::TempDir,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let router = runtime.block_on(async {
        let db = db::Db::open(&format!("sqlite:///{}/fuzz.db", folder.path().display())).await.expect("a database");
        let artifacts = folder.path().join("artifacts").display().to_string();
        let options = ArtifactOptions::resolve(None, Some(artifacts), true);
        tracking::router(Tracking::open(db, options).await.expect("a store"))
    });
    Server { runtime, router, _folder: folder }
});

fuzz_target!(|body: &[u8]| {
    SERVER.runtime.block_on(requests::send_to_all(&SERVER.router, body));
});
