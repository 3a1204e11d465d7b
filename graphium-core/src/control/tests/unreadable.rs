//! Stories of records that another version of the program wrote.

use serde_json::json;

use super::*;
use crate::store::{Expected, PageRequest, RecordKey, RecordWrite, StoreErrorKind, Submission};

async fn overwrite(scene: &Scene, key: RecordKey) {
    let write = RecordWrite { key, expected: Expected::Anything, body: Some(json!({ "shape": "of tomorrow" })) };
    let submission = Submission { records: vec![write], ..Submission::of("ann", []) };
    scene.control.store().submit(submission).await.unwrap();
}

#[tokio::test]
async fn a_stack_that_cannot_be_read_back_stands_in_the_list_beside_the_others() {
    let (scene, _hosts) = Scene::with_hosts(["vm1", "vm2"]).await;
    scene.apply(&stack()).await;
    let broken = StackName::new("broken").unwrap();
    overwrite(&scene, RecordKey::stack(&broken)).await;

    let listed = scene.control.stacks(PageRequest::default()).await.unwrap().items;

    let told: Vec<_> = listed.iter().map(|stack| (&stack.name, stack.unreadable.is_some())).collect();
    assert_eq!(told, [(&broken, true), (&shop(), false)]);
    assert_eq!(listed[0].status, StackStatus::Error);
    let error = scene.control.stack(&broken).await.unwrap_err();
    assert_eq!(error.kind(), ControlErrorKind::Store(StoreErrorKind::Corrupt));
    assert!(error.to_string().contains("stack broken"), "{error}");
}

#[tokio::test]
async fn a_stack_whose_deployment_cannot_be_read_back_says_so_in_the_list() {
    let (scene, _hosts) = Scene::with_hosts(["vm1", "vm2"]).await;
    let first = scene.apply(&stack()).await;
    overwrite(&scene, RecordKey::deployment(&shop(), first.generation)).await;

    let listed = scene.control.stacks(PageRequest::default()).await.unwrap().items;

    assert!(listed[0].unreadable.as_ref().unwrap().contains("deployment shop/"), "{listed:?}");
}

#[tokio::test]
async fn a_deployment_that_cannot_be_read_back_stands_in_the_list_as_failed() {
    let (scene, _hosts) = Scene::with_hosts(["vm1", "vm2"]).await;
    let (first, second) = (scene.apply(&stack()).await, scene.act(DeploymentAction::Restart).await);
    overwrite(&scene, RecordKey::deployment(&shop(), first.generation)).await;

    let listed = scene.control.deployments(&shop(), PageRequest::default()).await.unwrap().items;

    let generations: Vec<_> = listed.iter().map(|deployment| deployment.generation).collect();
    assert_eq!(generations, [first.generation, second.generation]);
    assert!(matches!(&listed[0].status, DeploymentStatus::Failed { reason } if reason.contains("cannot be read back")));
}
