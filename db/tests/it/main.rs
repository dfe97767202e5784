//! The database layer through its public surface, on a real file.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[macro_use]
mod databases;
mod servers;

use databases::TestDatabase;
use db::{Db, Dialect, Error, OnConflict, Value};

async fn open() -> (Db, TestDatabase, String) {
    let database = TestDatabase::create().await;
    let uri = database.uri.clone();
    (Db::open(&uri).await.unwrap(), database, uri)
}

async fn add_tag(db: &Db, key: &str, value: &str) -> Result<u64, Error> {
    let args = vec![Value::from(key), value.into()];
    db.write(move |tx| {
        Box::pin(async move {
            tx.execute("INSERT INTO experiment_tags (\"key\", value, experiment_id) VALUES (?, ?, 1)", args).await
        })
    })
    .await
}

async fn add_experiment(db: &Db) {
    db.write(|tx| {
        Box::pin(async move {
            tx.execute(
                "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (1, 'e', 'active')",
                vec![],
            )
            .await
        })
    })
    .await
    .unwrap();
}

async fn count(db: &Db) -> i64 {
    let (count,): (i64,) = db.fetch_one("SELECT COUNT(*) FROM experiment_tags", vec![]).await.unwrap();
    count
}

each_database!(a_new_file_gets_all_of_mlflows_tables_at_its_revision);
async fn a_new_file_gets_all_of_mlflows_tables_at_its_revision() {
    let (db, _folder, uri) = open().await;
    let sql = match db.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Dialect::Postgres => "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()",
        Dialect::MySql => "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()",
    };
    let (tables,): (i64,) = db.fetch_one(sql, vec![]).await.unwrap();
    assert_eq!(tables, 65);
    let (revision,): (String,) = db.fetch_one("SELECT version_num FROM alembic_version", vec![]).await.unwrap();
    assert_eq!(revision, db::REVISION);
    drop(db);
    Db::open(&uri).await.expect("opens again");
}

each_database!(other_databases_are_refused_untouched);
async fn other_databases_are_refused_untouched() {
    let (db, _folder, uri) = open().await;
    db.write(|tx| Box::pin(async move { tx.execute("UPDATE alembic_version SET version_num = 'cafe'", vec![]).await }))
        .await
        .unwrap();
    let error = Db::open(&uri).await.unwrap_err().to_string();
    assert!(error.contains("revision cafe") && error.contains("mlflow db upgrade"), "{error}");
    db.write(|tx| Box::pin(async move { tx.execute("DROP TABLE alembic_version", vec![]).await })).await.unwrap();
    let error = Db::open(&uri).await.unwrap_err().to_string();
    assert!(error.contains("is no MLflow database"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    std::fs::write(&file, "dear diary, ".repeat(100)).unwrap();
    let uri = format!("sqlite:///{}", file.display());
    let error = Db::open(&uri).await.unwrap_err().to_string();
    assert!(error.contains(&uri) && error.contains("not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear diary, ".repeat(100));
}

each_database!(concurrent_writes_are_each_all_or_nothing);
async fn concurrent_writes_are_each_all_or_nothing() {
    let (db, _folder, _uri) = open().await;
    add_experiment(&db).await;
    let writes = (0..200).map(|i| {
        let db = db.clone();
        tokio::spawn(async move {
            db.write(move |tx| {
                Box::pin(async move {
                    for half in ["a", "b"] {
                        tx.execute(
                            "INSERT INTO experiment_tags (\"key\", value, experiment_id) VALUES (?, ?, 1)",
                            vec![format!("{i}{half}").into(), if i % 3 == 0 { "taken back" } else { "kept" }.into()],
                        )
                        .await?;
                    }
                    if i % 3 == 0 { Err(Error::Uri("changed my mind".to_owned())) } else { Ok(()) }
                })
            })
            .await
        })
    });
    let outcomes = futures::future::join_all(writes).await;
    let kept = outcomes.iter().filter(|it| it.as_ref().unwrap().is_ok()).count();
    assert_eq!(kept, 133);
    assert_eq!(count(&db).await, 266);
    let (odd,): (i64,) =
        db.fetch_one("SELECT COUNT(*) FROM experiment_tags WHERE value = 'taken back'", vec![]).await.unwrap();
    assert_eq!(odd, 0);
}

each_database!(a_broken_key_is_a_constraint_and_leaves_others_alone);
async fn a_broken_key_is_a_constraint_and_leaves_others_alone() {
    let (db, _folder, _uri) = open().await;
    let error = add_tag(&db, "k", "no such experiment").await.unwrap_err();
    assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    add_experiment(&db).await;
    add_tag(&db, "k", "v").await.unwrap();
    let error = add_tag(&db, "k", "again").await.unwrap_err();
    assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    assert_eq!(count(&db).await, 1);
}

each_database!(work_that_panics_keeps_nothing_and_does_not_stop_the_writer);
async fn work_that_panics_keeps_nothing_and_does_not_stop_the_writer() {
    let (db, _folder, _uri) = open().await;
    add_experiment(&db).await;
    let outcome: Result<(), Error> = db
        .write(|tx| {
            Box::pin(async move {
                tx.execute("INSERT INTO experiment_tags (\"key\", value, experiment_id) VALUES ('x', '', 1)", vec![])
                    .await?;
                panic!("a bug");
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::Abandoned)));
    assert_eq!(count(&db).await, 0);
    add_tag(&db, "k", "v").await.unwrap();
    assert_eq!(count(&db).await, 1);
}

each_database!(bulk_inserts_take_any_number_of_rows);
async fn bulk_inserts_take_any_number_of_rows() {
    let (db, _folder, _uri) = open().await;
    add_experiment(&db).await;
    let values: Vec<Value> =
        (0..999).flat_map(|i: i64| [format!("k{i:04}").into(), i.to_string().into(), 1.into()]).collect();
    let changed: Result<u64, Error> = db
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_rows("experiment_tags", &["key", "value", "experiment_id"], OnConflict::Error, values).await
            })
        })
        .await;
    assert_eq!(changed.unwrap(), 999);
    let (last,): (String,) = db.fetch_one("SELECT MAX(\"key\") FROM experiment_tags", vec![]).await.unwrap();
    assert_eq!(last, "k0998");
}

each_database!(inserts_mind_the_rows_that_are_there);
async fn inserts_mind_the_rows_that_are_there() {
    let (db, _folder, _uri) = open().await;
    add_experiment(&db).await;
    let insert = async |on_conflict: OnConflict<'static>, rows: [(&'static str, &'static str); 2]| {
        let values: Vec<Value> =
            rows.iter().flat_map(|(key, value)| [(*key).into(), (*value).into(), 1.into()]).collect();
        let columns = ["key", "value", "experiment_id"];
        db.write(move |tx| {
            Box::pin(async move { tx.insert_rows("experiment_tags", &columns, on_conflict, values).await })
        })
        .await
    };
    let key: &[&str] = &["key", "experiment_id"];
    let held = async || {
        let sql = "SELECT \"key\", value FROM experiment_tags ORDER BY \"key\"";
        let rows: Vec<(String, String)> = db.fetch_all(sql, vec![]).await.unwrap();
        rows.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(insert(OnConflict::Error, [("b", "5"), ("a", "5")]).await.unwrap(), 2);
    assert_eq!(insert(OnConflict::Ignore, [("c", "5"), ("a", "0")]).await.unwrap(), 1);
    assert_eq!(held().await, "a=5 b=5 c=5");
    insert(OnConflict::Update { key, columns: &["value"] }, [("c", "6"), ("d", "6")]).await.unwrap();
    assert_eq!(held().await, "a=5 b=5 c=6 d=6");
    let greater = OnConflict::UpdateIfGreater { key, order_by: &["value"], columns: &[] };
    insert(greater, [("a", "4"), ("b", "7")]).await.unwrap();
    assert_eq!(held().await, "a=5 b=7 c=6 d=6");
    let error = insert(OnConflict::Error, [("e", "1"), ("a", "1")]).await.unwrap_err();
    assert!(matches!(error, Error::Constraint(_)), "{error:?}");
    assert_eq!(held().await, "a=5 b=7 c=6 d=6");
}

each_database!(a_table_that_counts_gives_the_number_of_a_new_row);
async fn a_table_that_counts_gives_the_number_of_a_new_row() {
    let (db, _folder, _uri) = open().await;
    let id: Result<i64, Error> = db
        .write(|tx| {
            Box::pin(async move {
                let values = vec!["f".into(), "active".into()];
                tx.insert_id("experiments", "experiment_id", &["name", "lifecycle_stage"], values).await
            })
        })
        .await;
    let id = id.unwrap();
    let (name,): (String,) =
        db.fetch_one("SELECT name FROM experiments WHERE experiment_id = ?", vec![id.into()]).await.unwrap();
    assert_eq!(name, "f");
}

each_database!(readers_cannot_write);
async fn readers_cannot_write() {
    let (db, _folder, _uri) = open().await;
    let outcome: Result<Vec<(i64,)>, Error> =
        db.read(|reader| reader.fetch_all("DELETE FROM workspaces RETURNING 1", &[])).await;
    assert!(outcome.is_err());
    let (left,): (i64,) = db.fetch_one("SELECT COUNT(*) FROM workspaces", vec![]).await.unwrap();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn like_minds_case_in_sqlite_too() {
    let (db, _folder, _uri) = open().await;
    let found: Vec<(String,)> =
        db.fetch_all("SELECT name FROM workspaces WHERE name LIKE ?", vec!["DEF%".into()]).await.unwrap();
    assert_eq!(found, []);
}
