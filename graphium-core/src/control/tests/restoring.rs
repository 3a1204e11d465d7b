//! Stories of a store that was restored from a backup.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::store::{Expected, RecordKey, RecordWrite, SqliteStore, Submission};

/// A store in a file, and its backup.
struct Ground {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Ground {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), clock: Arc::default() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("graphium.db")
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    async fn open(&self) -> (Scene, Arc<SqliteStore>) {
        let clock = || Arc::<ManualClock>::clone(&self.clock);
        let store = SqliteStore::open(&self.file(), clock(), StoreSettings::default()).await.unwrap();
        let store = Arc::new(store);
        let control = Control::new(Arc::<SqliteStore>::clone(&store), clock());
        (Scene { control, clock: clock() }, store)
    }

    async fn open_with_two_hosts(&self) -> (Scene, Arc<SqliteStore>, [FakeHost; 2]) {
        let (scene, store) = self.open().await;
        let mut hosts = ["vm1", "vm2"].map(FakeHost::new);
        for host in &mut hosts {
            show(host, &scene).await;
        }
        (scene, store, hosts)
    }

    /// The store as it was when it was backed up.
    async fn restored(&self, (scene, store): (Scene, Arc<SqliteStore>)) -> (Scene, Arc<SqliteStore>) {
        store.close().await;
        drop((scene, store));
        SqliteStore::restore(&self.backup(), &self.file()).await.unwrap();
        self.open().await
    }
}

/// Calls as an agent that goes on, and shows what it has.
async fn show(host: &mut FakeHost, scene: &Scene) {
    let call = ClaimRequest::hello(host.session, "machine");
    host.attempts_ended = scene.control.store().claim(&host.id, call).await.unwrap().attempts_ended;
    host.look(scene).await;
}

fn with_web(image: &str) -> StackSpec {
    let mut spec = stack();
    spec.containers[1].image = image.into();
    spec
}

#[tokio::test]
async fn after_a_restore_nothing_newer_is_removed_and_the_next_generation_is_above_all_that_run() {
    let ground = Ground::new();
    let (scene, store, [mut vm1, mut vm2]) = ground.open_with_two_hosts().await;
    scene.apply(&with_web("web:1")).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    store.backup(&ground.backup()).await.unwrap();
    for image in ["web:2", "web:3"] {
        scene.apply(&with_web(image)).await;
        scene.settle(&mut [&mut vm1, &mut vm2]).await;
    }
    let (scene, _store) = ground.restored((scene, store)).await;
    for host in [&mut vm1, &mut vm2] {
        show(host, &scene).await;
    }
    let (status, differences) = scene.control.restore_status().await.unwrap();
    assert!(status.restored.is_some());
    let newer = (Generation(3), Generation(1));
    assert!(
        matches!(&differences[..], [Difference::NewerInstance { host, generation, known, .. }]
            if *host == vm2.id && (*generation, *known) == newer),
        "{differences:?}"
    );
    let refused = scene.control.apply(with_web("web:4"), ApplyOptions::default(), "ann").await.unwrap_err();
    assert!(refused.to_string().contains("restored"), "{refused}");

    scene.control.confirm_restore("ann").await.unwrap();
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(vm2.instances[0].image, "web:3");

    let deployment = scene.apply(&with_web("web:4")).await;
    scene.settle(&mut [&mut vm1, &mut vm2]).await;
    assert_eq!(deployment.generation, Generation(4));
    assert_eq!(vm2.instances[0].image, "web:4");
    assert_eq!(scene.status().await, StackStatus::Running);
}

#[tokio::test]
async fn a_restored_store_with_a_stack_and_a_deployment_that_cannot_be_read_back_names_both_and_goes_on() {
    let ground = Ground::new();
    let (scene, store, _hosts) = ground.open_with_two_hosts().await;
    let [broken, dim, sound] = ["broken", "dim", "sound"].map(|name| StackName::new(name).unwrap());
    for name in [&broken, &dim, &sound] {
        scene.apply(&StackSpec { name: name.clone(), ..stack() }).await;
    }
    for key in [RecordKey::stack(&broken), RecordKey::deployment(&dim, Generation(1))] {
        let body = Some(serde_json::json!({ "shape": "of tomorrow" }));
        let records = vec![RecordWrite { key, expected: Expected::Anything, body }];
        store.submit(Submission { records, ..Submission::of("ann", []) }).await.unwrap();
    }
    store.backup(&ground.backup()).await.unwrap();
    let (scene, _store) = ground.restored((scene, store)).await;

    let (_, differences) = scene.control.restore_status().await.unwrap();
    let unreadable: Vec<_> = differences
        .iter()
        .filter_map(|difference| {
            let Difference::Unreadable { stack, reason } = difference else { return None };
            Some((stack, reason.as_str()))
        })
        .collect();
    assert!(
        matches!(&unreadable[..], [(first, why), (second, of)]
            if **first == broken && why.contains("stack broken") && **second == dim && of.contains("deployment dim/")),
        "{differences:?}"
    );

    let status = scene.control.confirm_restore("ann").await.unwrap();
    assert_eq!(status.restored, None);
    let ended = scene.control.deployment(&sound, Generation(1)).await.unwrap();
    assert_eq!(ended.status, DeploymentStatus::Cancelled);
}

#[tokio::test]
async fn a_deployment_that_waits_to_be_observed_still_waits_after_the_confirmation() {
    let ground = Ground::new();
    let (scene, store) = ground.open().await;
    store.backup(&ground.backup()).await.unwrap();
    let (scene, store) = ground.restored((scene, store)).await;
    let waiting = BTreeSet::from([stack().name]);
    let (mut seen, mut unobserved) = (*store.head().borrow(), waiting.clone());

    scene.control.drive_touched(&mut seen, false, &mut unobserved).await.unwrap();

    assert_eq!(unobserved, waiting, "nothing is driven while the store is held, and nothing is forgotten");
}
