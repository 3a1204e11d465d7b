//! Networks and volumes.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::Behaviour;
use super::bench::{Bench, Foreign};
use crate::deploy::{DeployErrorKind, DeployRequest, NetworkConfig, label};
use crate::stack::{ContainerSpec, MountSource, MountSpec, NetworkSpec};

/// Ranges that nothing else on an engine is likely to have.
const SUBNET: &str = "10.213.77.0/24";
const OVERLAPPING: &str = "10.213.77.128/25";

async fn stack_networks(bench: &Bench) -> Vec<crate::deploy::NetworkInfo> {
    let mut labels = bench.owner.labels();
    labels.insert(label::STACK.to_owned(), Bench::stack().to_string());
    bench.runtime.networks(&labels).await.expect("the engine answers")
}

pub(super) async fn deploys_at_once_make_one_network(bench: &Bench) {
    let names = ["web", "api", "db", "cache"];
    let requests = names.map(|name| Bench::request_on(bench.spec(name, Behaviour::Serves), NetworkSpec::bridge("net")));
    join_all(requests.iter().map(|request| bench.deploy(request))).await;

    let networks = stack_networks(bench).await;
    assert_eq!(networks.len(), 1, "{networks:?}");
    for instance in bench.instances().await {
        assert_eq!(bench.inspect(&instance.runtime_id).await.networks, [networks[0].name.clone()]);
    }
}

pub(super) async fn a_subnet_that_overlaps_is_left_out_with_a_warning(bench: &Bench) {
    let first = NetworkSpec { subnet: Some(SUBNET.into()), ..NetworkSpec::bridge("first") };
    let outcome = bench.deploy(&Bench::request_on(bench.spec("web", Behaviour::Serves), first)).await;
    assert_eq!(outcome.warnings, Vec::<String>::new());

    let second = NetworkSpec { subnet: Some(OVERLAPPING.into()), ..NetworkSpec::bridge("second") };
    let outcome = bench.deploy(&Bench::request_on(bench.spec("api", Behaviour::Serves), second)).await;
    assert!(matches!(&outcome.warnings[..], [warning] if warning.contains(OVERLAPPING)), "{outcome:?}");
    let subnets: Vec<_> = stack_networks(bench).await.into_iter().flat_map(|network| network.subnets).collect();
    assert!(subnets.contains(&SUBNET.to_owned()) && !subnets.contains(&OVERLAPPING.to_owned()), "{subnets:?}");
}

pub(super) async fn an_external_network_is_used_and_never_removed(bench: &Bench) {
    let name = bench.unique("external");
    let config = NetworkConfig {
        name: name.clone(),
        driver: "bridge".into(),
        subnet: None,
        gateway: None,
        ip_range: None,
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
    };
    let id = bench.runtime.create_network(&config).await.expect("the engine makes it");
    bench.remember(Foreign::Network(id.clone()));

    let network = NetworkSpec { external: true, ..NetworkSpec::bridge(name.clone()) };
    bench.deploy(&Bench::request_on(bench.spec("web", Behaviour::Serves), network)).await;
    let instance = bench.only_instance().await;
    assert_eq!(bench.inspect(&instance.runtime_id).await.networks, [name]);
    assert!(stack_networks(bench).await.is_empty());

    bench.clean_up(&bench.deployer, true).await;
    let all = bench.runtime.networks(&BTreeMap::new()).await.expect("the engine answers");
    assert!(all.iter().any(|network| network.id == id));
}

fn with_volume(mut spec: ContainerSpec, name: &str, external: bool) -> DeployRequest {
    let source = MountSource::Volume { name: name.to_owned(), driver: None, external };
    spec.mounts.push(MountSpec { source, target: "/data".into(), read_only: false });
    Bench::request(spec, 1)
}

pub(super) async fn what_is_external_and_missing_is_refused(bench: &Bench) {
    let missing = bench.unique("missing");
    let network = NetworkSpec { external: true, ..NetworkSpec::bridge(missing.clone()) };
    let request = Bench::request_on(bench.spec("web", Behaviour::Serves), network);
    let error = bench.refused(&request, DeployErrorKind::NotFound).await;
    assert!(error.to_string().contains(&missing), "{error}");

    let request = with_volume(bench.spec("web", Behaviour::Serves), &missing, true);
    bench.refused(&request, DeployErrorKind::NotFound).await;
    let volumes = bench.runtime.volumes(&BTreeMap::new()).await.expect("the engine answers");
    assert!(volumes.iter().all(|volume| volume.name != missing), "an external volume is never made");
    bench.is_empty().await;
}

pub(super) async fn a_named_volume_stays_until_it_is_asked_away(bench: &Bench) {
    let kept = bench.unique("kept");
    bench.runtime.create_volume(&kept, None, &BTreeMap::new()).await.expect("the engine makes it");
    bench.remember(Foreign::Volume(kept.clone()));
    let names = async || -> Vec<String> {
        let volumes = bench.runtime.volumes(&BTreeMap::new()).await.expect("the engine answers");
        volumes.into_iter().map(|volume| volume.name).collect()
    };
    let own = bench.owner.object_name(Some(&Bench::stack()), "data");

    bench.deploy(&with_volume(bench.spec("web", Behaviour::Serves), "data", false)).await;
    bench.deploy(&with_volume(bench.spec("api", Behaviour::Serves), &kept, true)).await;
    bench.clean_up(&bench.deployer, false).await;
    assert!(names().await.contains(&own), "a volume is not removed unless that is asked for");

    bench.clean_up(&bench.deployer, true).await;
    let left = names().await;
    assert!(!left.contains(&own) && left.contains(&kept), "{left:?}");
}
