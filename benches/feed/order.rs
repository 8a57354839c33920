//! Compares the delay in the order of ticks with that of rows, and with an open transaction.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::clients::Clients;
use crate::support::database::connect_to;
use crate::{Instance, ROUNDS, document, listening, median, write};

const LISTENERS: usize = 100;

/// One round of each in turn, so that the load of the machine is similar for all.
pub async fn measure(url: &str, db: &DatabaseConnection) {
    let cases =
        [("XACT", false, "rows, quiet"), ("TICK", false, "ticks, quiet"), ("TICK", true, "ticks, open transaction")];
    let mut delays = vec![(Vec::new(), Vec::new()); cases.len()];
    for _ in 0..ROUNDS {
        for ((ordering, with_writer, _), (p50s, p99s)) in cases.iter().zip(&mut delays) {
            db.execute_unprepared(&format!("UPDATE comment_feed SET ordering = '{ordering}'")).await.unwrap();
            let open = connect_to(url).await.unwrap();
            if *with_writer {
                open.execute_unprepared("BEGIN; UPDATE movies SET budget = 1 WHERE id = 2").await.unwrap();
            }
            let instance = Instance::start(url).await;
            let mut clients = Clients::start(instance.address, "/graphql", LISTENERS, |n| document(n, true));
            clients.connected();
            listening(LISTENERS).await;
            write(instance.address, Duration::from_secs(5)).await;
            let (p50, p99) = clients.delays();
            p50s.push(p50);
            p99s.push(p99);
            drop(clients);
            listening(0).await;
            instance.stop().await;
            open.close().await.unwrap();
        }
    }
    let medians: Vec<_> = delays.into_iter().map(|(p50s, p99s)| (median(p50s), median(p99s))).collect();
    println!(
        "\n| delay at 100 comments per second to {LISTENERS} listeners, in the order of | p50, ms | p99, ms | relative to rows' p99 | relative to quiet p99 |"
    );
    println!("|---|---|---|---|---|");
    for ((.., name), (p50, p99)) in cases.iter().zip(&medians) {
        println!("| {name} | {p50:.1} | {p99:.1} | {:.2} | {:.2} |", p99 / medians[0].1, p99 / medians[1].1);
    }
}
