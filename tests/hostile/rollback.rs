//! Transactions that a database rolls back by itself, or that are given up: the connection is none that later
//! changes are lost on.

use serde_json::json;

use crate::site::{Remains, Site, copy_demo};
use crate::support::database::connect_to;
use crate::usage::sized;

/// Adds comments to the first publication, so that deleting it takes longer than a request may.
async fn burden(file: &std::path::Path, comments: usize) {
    use sea_orm::ConnectionTrait as _;
    let db = connect_to(&format!("sqlite://{}", file.display())).await.unwrap();
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {comments})
         INSERT INTO comments (comment, publication_id) SELECT 'Раз', 1 FROM n"
    );
    db.execute_unprepared(&sql).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_change_that_took_too_long_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kinoteka.db");
    copy_demo(&file).await;
    burden(&file, sized(150_000, 600_000)).await;
    let url = format!("sqlite://{}", file.display());
    let mut site = Site::start(&url, &[], &["--request-timeout-ms", "300"]);
    let (member, editor) = (site.log_in("member").await, site.log_in("editor").await);

    let delete = "mutation { it: deletePublication(input: { id: \"UHVibGljYXRpb246MQ\" }) { deletedId } }";
    let refused = site.ask(Some(&editor), delete, json!({})).await.unwrap_err();
    assert!(refused.starts_with("TIMEOUT "), "{refused}");
    site.be_refused(&member).await;
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    while acknowledged.len() < 20 {
        match site.comment(&member, &format!("Комментарий {}", acknowledged.len())).await {
            Ok(id) => acknowledged.push(id),
            Err(_) => refused += 1,
        }
        assert!(refused < 20, "nothing is written any more");
    }
    site.sign_up("after").await.unwrap();
    site.crash();

    let remains = Remains::of(&file).await;
    assert_eq!(remains.missing(&acknowledged).await, Vec::<i64>::new());
    assert_eq!(remains.count("SELECT count(*) FROM users WHERE username = 'after'").await, 1);
    // Of the deletion nothing was done.
    assert_eq!(remains.count("SELECT count(*) FROM publications WHERE id = 1").await, 1);
    site.restart();
    assert_eq!(site.ready().await, (200, "full\n".to_owned()));
}
