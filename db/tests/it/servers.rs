//! What only servers do: several writers at once, connections that break, statements that nobody waits for any more.

use std::time::Duration;

use db::{Db, Error, Value};
use mysql_async::prelude::Queryable;

use crate::{
    add_experiment, add_tag, count,
    databases::{Kind, TestDatabase, kind, mysql, postgres},
    open,
};

macro_rules! each_server {
    ($name:ident) => {
        mod $name {
            use crate::databases::{Kind, on};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgresql() {
                on(Kind::Postgres, super::$name()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql() {
                on(Kind::MySql, super::$name()).await;
            }
        }
    };
}

/// Closes all connections to the database but one's own, as a restart of the server does.
async fn disconnect_all(uri: &str) {
    match kind() {
        Kind::Postgres => {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            postgres(uri).await.batch_execute(sql).await.unwrap();
        }
        Kind::MySql | Kind::Sqlite => {
            let mut own = mysql(uri).await;
            let sql = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
            let ids: Vec<u64> = own.query(sql).await.unwrap();
            assert!(!ids.is_empty());
            for id in ids {
                own.query_drop(format!("KILL {id}")).await.unwrap();
            }
        }
    }
}

each_server!(broken_connections_are_replaced);
async fn broken_connections_are_replaced() {
    let (db, _database, uri) = open().await;
    add_experiment(&db).await;
    disconnect_all(&uri).await;
    add_tag(&db, "written", "").await.unwrap();
    disconnect_all(&uri).await;
    assert_eq!(count(&db).await, 1);
    disconnect_all(&uri).await;
    let found: Result<Vec<(String,)>, Error> =
        db.read(|reader| reader.fetch_all("SELECT \"key\" FROM experiment_tags", &[])).await;
    assert_eq!(found.unwrap(), [("written".to_owned(),)]);
}

each_server!(a_connection_that_breaks_in_a_transaction_runs_it_again);
async fn a_connection_that_breaks_in_a_transaction_runs_it_again() {
    let (db, _database, uri) = open().await;
    add_experiment(&db).await;
    let tried = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (tries, kind) = (tried.clone(), kind());
    db.write(move |tx| {
        Box::pin(async move {
            let sql = "INSERT INTO experiment_tags (\"key\", value, experiment_id) VALUES (?, '', 1)";
            tx.execute(sql, vec!["a".into()]).await?;
            if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                crate::databases::on(kind, disconnect_all(&uri)).await;
            }
            tx.execute(sql, vec!["b".into()]).await?;
            Ok::<(), Error>(())
        })
    })
    .await
    .unwrap();
    assert_eq!(tried.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(count(&db).await, 2);
}

each_server!(writers_that_meet_both_get_through);
async fn writers_that_meet_both_get_through() {
    let (db, _database, _uri) = open().await;
    add_experiment(&db).await;
    add_tag(&db, "a", "").await.unwrap();
    add_tag(&db, "b", "").await.unwrap();
    // Each takes the two rows in another order, which is what deadlocks are made of.
    let writes = (0..16).map(|place| {
        let db = db.clone();
        let order = if place % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        tokio::spawn(async move {
            db.write(move |tx| {
                Box::pin(async move {
                    for key in order {
                        let sql = "UPDATE experiment_tags SET value = CONCAT(value, 'x') WHERE \"key\" = ?";
                        tx.execute(sql, vec![key.into()]).await?;
                    }
                    Ok::<(), Error>(())
                })
            })
            .await
        })
    });
    for outcome in futures::future::join_all(writes).await {
        outcome.unwrap().unwrap();
    }
    let values: Vec<(String,)> = db.fetch_all("SELECT value FROM experiment_tags", vec![]).await.unwrap();
    assert_eq!(values, [("x".repeat(16),), ("x".repeat(16),)]);
}

each_server!(what_is_read_and_written_back_is_not_lost);
async fn what_is_read_and_written_back_is_not_lost() {
    let (db, _database, _uri) = open().await;
    add_experiment(&db).await;
    add_tag(&db, "n", "0").await.unwrap();
    let writes = (0..40).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            db.write(|tx| {
                Box::pin(async move {
                    let sql = format!("SELECT value FROM experiment_tags WHERE \"key\" = 'n'{}", tx.for_update());
                    let (held,): (String,) = tx.fetch_optional(sql, vec![]).await?.unwrap();
                    let next: i64 = held.parse::<i64>().unwrap() + 1;
                    let sql = "UPDATE experiment_tags SET value = ? WHERE \"key\" = 'n'";
                    tx.execute(sql, vec![next.to_string().into()]).await
                })
            })
            .await
        })
    });
    for outcome in futures::future::join_all(writes).await {
        let outcome: Result<u64, Error> = outcome.unwrap();
        assert_eq!(outcome.unwrap(), 1);
    }
    let (held,): (String,) = db.fetch_one("SELECT value FROM experiment_tags", vec![]).await.unwrap();
    assert_eq!(held, "40");
}

each_server!(values_that_do_not_fit_are_the_callers_mistake);
async fn values_that_do_not_fit_are_the_callers_mistake() {
    let (db, _database, _uri) = open().await;
    add_experiment(&db).await;
    let error = add_tag(&db, &"k".repeat(251), "").await.unwrap_err();
    assert!(matches!(error, Error::Value(_)), "{error:?}");
    let error = db
        .write(|tx| {
            Box::pin(async move {
                let values: Vec<Value> = vec![(1_i64 << 40).into(), "x".into()];
                tx.execute("INSERT INTO experiments (experiment_id, name) VALUES (?, ?)", values).await
            })
        })
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Value(_)), "{error:?}");
    assert_eq!(count(&db).await, 0);
}

each_server!(a_read_sees_one_moment);
async fn a_read_sees_one_moment() {
    let (db, _database, _uri) = open().await;
    add_experiment(&db).await;
    let (writer, runtime) = (db.clone(), tokio::runtime::Handle::current());
    let counts: Result<(i64, i64), Error> = db
        .read(move |reader| {
            let sql = "SELECT COUNT(*) FROM experiment_tags";
            let (before,): (i64,) = reader.fetch_one(sql, &[])?;
            runtime.block_on(add_tag(&writer, "k", ""))?;
            let (after,): (i64,) = reader.fetch_one(sql, &[])?;
            Ok((before, after))
        })
        .await;
    assert_eq!(counts.unwrap(), (0, 0));
    assert_eq!(count(&db).await, 1);
}

each_server!(statements_that_nobody_waits_for_end);
async fn statements_that_nobody_waits_for_end() {
    let (db, _database, _uri) = open().await;
    let (sleep, running) = match kind() {
        Kind::Postgres => (
            "SELECT CAST(pg_sleep(600) AS text)",
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%sleep(600)%' \
             AND state = 'active'",
        ),
        Kind::MySql | Kind::Sqlite => (
            "SELECT SLEEP(600)",
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%SLEEP(600)%'",
        ),
    };
    let reads: Vec<_> = (0..3)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.read(|reader| reader.fetch_all::<(Option<String>,)>(sleep, &[]).map(|_| ())).await
            })
        })
        .collect();
    let until = async |wanted: i64| {
        for _ in 0..400 {
            let (found,): (i64,) = db.fetch_one(running, vec![]).await.unwrap();
            // The statement that counts names the others and so counts itself.
            if found - 1 == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("there are not {wanted} statements running");
    };
    until(3).await;
    for read in reads {
        read.abort();
    }
    until(0).await;
}

each_server!(servers_that_start_at_once_make_one_schema);
async fn servers_that_start_at_once_make_one_schema() {
    let database = TestDatabase::create().await;
    let opened = futures::future::join_all((0..4).map(|_| Db::open(&database.uri))).await;
    for db in opened {
        let (revision,): (String,) =
            db.unwrap().fetch_one("SELECT version_num FROM alembic_version", vec![]).await.unwrap();
        assert_eq!(revision, db::REVISION);
    }
}

each_server!(errors_do_not_tell_the_password);
async fn errors_do_not_tell_the_password() {
    let database = TestDatabase::create().await;
    let (address, _) = database.uri.rsplit_once('/').unwrap();
    let (scheme, rest) = address.split_once("://").unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    for uri in [
        format!("{scheme}://nobody:hunter2@{host}/none"),
        format!("{scheme}://nobody:hunter2@{host}/none?connect_timeout=soon"),
        format!("{scheme}://nobody:hunter2@{host}/none?no_such_option=hunter2"),
    ] {
        let error = Db::open(&uri).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && text.contains("nobody@"), "{text}");
    }
}
