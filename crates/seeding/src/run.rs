//! The course of a seed on either database.

use std::sync::Arc;
use std::time::Instant;

use crate::error::SeedError;
use crate::fakes::World;
use crate::fakes::accounts::DemoAccounts;
use crate::parameters::Parameters;
use crate::steps::{STEPS, SeedStep};
use crate::target::{Load, StepMark, Target};
use crate::watch::{SeedEvent, StepReport, Watch};
use crate::{SeedOptions, Summary};

/// The last mark: everything is restored, and statistics are collected.
pub const ALL_DONE: &str = "all_done";

/// Runs the steps that are not done yet.
pub async fn run<T: Target>(
    target: &mut T,
    options: &SeedOptions,
    watch: &Arc<dyn Watch>,
) -> Result<Summary, SeedError> {
    let started = Instant::now();
    let parameters = Parameters::of(options);
    let marks = target.marks().await?;
    refuse_others(&marks, &parameters)?;
    let is =
        |step: &SeedStep, finished: bool| marks.iter().any(|mark| mark.name == step.name && mark.finished == finished);
    let left: Vec<&'static SeedStep> = STEPS.iter().filter(|step| !is(step, true)).collect();
    for &step in left.iter().filter(|step| !is(step, false)) {
        if target.has_rows(step.table).await? {
            return Err(SeedError::NotEmpty { table: step.table });
        }
    }
    if marks.iter().any(|mark| mark.name == ALL_DONE) {
        let is_full = target.has_rows(STEPS[0].table).await?;
        return Err(if is_full { SeedError::NotEmpty { table: STEPS[0].table } } else { SeedError::Emptied });
    }

    let world = Arc::new(lay_out(options).await?);
    for step in STEPS.iter().filter(|step| is(step, true) && step.rows(&world) > 0) {
        if !target.has_rows(step.table).await? {
            return Err(SeedError::Emptied);
        }
    }
    watch.note(SeedEvent::Rows(left.iter().map(|step| u64::from(step.rows(&world))).sum()));
    for step in STEPS.iter().filter(|step| is(step, true)) {
        watch.note(SeedEvent::Skipped(step.name));
    }
    let load = |step: &'static SeedStep| Load {
        step,
        world: Arc::clone(&world),
        parameters: parameters.to_text(),
        begun: is(step, false),
        defer_indexes: options.defer_indexes,
        watch: Arc::clone(watch),
    };
    let loaded = async {
        if !left.is_empty() {
            target.drop_deferred(options.defer_indexes).await?;
        }
        let mut rows = 0;
        for &step in &left {
            rows += load_step(target, load(step)).await?;
        }
        Ok(rows)
    }
    .await;
    let restored = target.restore(watch.as_ref()).await.map_err(|reason| {
        // The first failure is the cause of the second.
        let reason = Box::new(reason);
        SeedError::NotRestored { reason }
    });
    let rows = match (loaded, restored) {
        (Err(SeedError::Step { step, reason }), Err(_)) => {
            let reason = Box::new(SeedError::NotRestored { reason });
            return Err(SeedError::Step { step, reason });
        }
        (loaded, restored) => {
            let rows = loaded?;
            restored?;
            rows
        }
    };
    watch.note(SeedEvent::Tidying);
    target.tidy(&parameters.to_text()).await?;
    Ok(Summary { rows, elapsed: started.elapsed() })
}

async fn load_step<T: Target>(target: &mut T, load: Load) -> Result<u64, SeedError> {
    let (step, watch) = (load.step, Arc::clone(&load.watch));
    let started = Instant::now();
    watch.note(SeedEvent::Step(step.name, u64::from(step.rows(&load.world))));
    let rows = target.load(load).await.map_err(|reason| match reason {
        // Another seeder was faster, so this run has nothing to continue.
        SeedError::OtherParameters { .. } => reason,
        reason => SeedError::Step { step: step.name, reason: Box::new(reason) },
    })?;
    watch.note(SeedEvent::Done(StepReport { name: step.name, rows, elapsed: started.elapsed() }));
    Ok(rows)
}

/// Refuses to continue a seed with other parameters.
fn refuse_others(marks: &[StepMark], requested: &Parameters) -> Result<(), SeedError> {
    let Some(mark) = marks.first() else { return Ok(()) };
    let began = Parameters::from_text(&mark.parameters).ok_or_else(|| SeedError::Marks(mark.parameters.clone()))?;
    let is_done = marks.iter().any(|mark| mark.name == ALL_DONE);
    if began == *requested || is_done {
        return Ok(());
    }
    Err(SeedError::OtherParameters { began: Box::new(began), requested: Box::new(requested.clone()) })
}

/// Lays out the world of all rows: this takes a second at full size, and hashes a password.
async fn lay_out(options: &SeedOptions) -> Result<World, SeedError> {
    let options = *options;
    tokio::task::spawn_blocking(move || {
        let mut world = World::new(options.rng_seed, options.sizes);
        world.check().map_err(SeedError::Sizes)?;
        if let Some(load_members) = options.demo_accounts {
            world.accounts =
                Some(DemoAccounts { load_members, password_hash: crate::password::hash(options.rng_seed)? });
        }
        Ok(world)
    })
    .await?
}
