//! Transactions that the database rolls back itself, or that are abandoned: later changes on the connection are
//! not lost.

use serde_json::json;

use crate::site::{Remains, Site, copy_demo};
use crate::support::database::{connect_to, read_texts};
use crate::usage::sized;

/// Creates a movie with so many comments that deleting it exceeds the request timeout. Returns its key.
async fn burden(file: &std::path::Path, comments: usize) -> i32 {
    use sea_orm::ConnectionTrait as _;
    let db = connect_to(&format!("sqlite://{}", file.display())).await.unwrap();
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Спорный', 90)").await.unwrap();
    let id: i32 = read_texts(&db, "SELECT CAST(max(id) AS text) FROM movies").await[0].parse().unwrap();
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {comments})
         INSERT INTO comments (comment, movie_id) SELECT 'Раз', {id} FROM n"
    );
    db.execute_unprepared(&sql).await.unwrap();
    db.close().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_after_a_timed_out_change_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kinoteka.db");
    copy_demo(&file).await;
    let movie = burden(&file, sized(150_000, 600_000)).await;
    let url = format!("sqlite://{}", file.display());
    let mut site = Site::start(&url, &[], &["--request-timeout-ms", "300"]);
    let (member, editor) = (site.log_in("member").await, site.log_in("editor").await);

    let delete = "mutation($id: ID!) { it: deleteMovie(input: { id: $id }) { deletedId } }";
    let id = kinoteka::kit::id::encode("Movie", movie);
    let refused = site.ask(Some(&editor), delete, json!({ "id": id })).await.unwrap_err();
    assert!(refused.starts_with("TIMEOUT "), "{refused}");
    site.be_refused(&member).await;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    while acknowledged.len() < 20 {
        match site.comment(&member, &format!("Комментарий {}", acknowledged.len())).await {
            Ok(id) => acknowledged.push(id),
            Err(_) => refused += 1,
        }
        assert!(refused < 20, "writes no longer work");
    }
    site.sign_up("after").await.unwrap();
    site.crash();

    let remains = Remains::of(&file).await;
    assert_eq!(remains.missing(&acknowledged).await, Vec::<i64>::new());
    assert_eq!(remains.count("SELECT count(*) FROM users WHERE username = 'after'").await, 1);
    // Nothing of the deletion happened.
    assert_eq!(remains.count(&format!("SELECT count(*) FROM movies WHERE id = {movie}")).await, 1);
    site.restart();
    assert_eq!(site.ready().await, (200, "full\n".to_owned()));
}
