//! What every container of a sandbox is made with: the one place that says how closed it is.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use sha2::{Digest, Sha256};

use super::Surroundings;
use crate::config::{DockerConfig, Tier};
use crate::runtime::{Place, Version};

/// As the image has it: `USER` of the Dockerfile.
const USER: &str = "10001:10001";
/// The one place of a sandbox that lasts: `VOLUME` of the Dockerfile.
const VOLUME: &str = "/data";
/// For programs that expect one; gone with the container, and counted as its memory.
const SCRATCH: &str = "rw,nosuid,nodev,noexec,size=64m,mode=1777";
const MEGABYTE: i64 = 1024 * 1024;
/// A gateway with its helpers has about a hundred.
const DESCRIPTORS: i64 = 4096;

/// Everything but whose it is.
pub(super) struct Shape {
    /// What all sandboxes are to have.
    version: Version,
    tier: Tier,
    /// How many the engine has: it refuses to promise more.
    cores: i64,
    environment: Vec<String>,
}

impl Shape {
    pub(super) fn new(
        config: &DockerConfig,
        version: Version,
        cores: i64,
        around: &Surroundings<'_>,
    ) -> Self {
        let mut environment = vec![
            format!("ZAKI_SANDBOX_MODEL={}", around.model),
            format!("ZAKI_SANDBOX_MODEL_API={}", around.api.as_str()),
            format!("ZAKI_SANDBOX_EXEC={}", config.exec.as_str()),
            format!("ZAKI_SANDBOX_MEMORY_MB={}", config.tier.memory_mb),
            // One without a state waits until the edge has looked for a backup.
            "ZAKI_SANDBOX_HOLD=true".to_owned(),
        ];
        if !around.choices.is_empty() {
            environment.push(format!("ZAKI_SANDBOX_CHOICES={}", around.choices.join(",")));
        }
        if let Ok(zone) = std::env::var("TZ") {
            environment.push(format!("TZ={zone}"));
        }
        Self { version, tier: config.tier, cores, environment }
    }

    pub(super) const fn version(&self) -> &Version {
        &self.version
    }

    /// What a running container must have been started with to be of use now.
    pub(super) fn spec(&self, on: &Version) -> String {
        let mut digest = Sha256::new();
        let tier = format!("{:?} {VOLUME} {}", self.tier, env!("CARGO_PKG_VERSION"));
        for piece in self.environment.iter().chain([&on.at, &tier]) {
            digest.update(piece.len().to_be_bytes());
            digest.update(piece);
        }
        hex::encode(digest.finalize())
    }

    pub(super) fn body(
        &self,
        volume: String,
        place: &Place,
        labels: HashMap<String, String>,
    ) -> ContainerCreateBody {
        let mut environment = self.environment.clone();
        environment.push(format!("ZAKI_SANDBOX_TOKEN={}", place.token));
        if place.restore.is_some() {
            environment.push("ZAKI_SANDBOX_AWAIT_RESTORE=true".to_owned());
        }
        ContainerCreateBody {
            image: Some(place.version.at.clone()),
            hostname: Some("sandbox".to_owned()),
            user: Some(USER.to_owned()),
            env: Some(environment),
            labels: Some(labels),
            network_disabled: Some(true),
            host_config: Some(self.host_config(volume)),
            ..ContainerCreateBody::default()
        }
    }

    fn host_config(&self, volume: String) -> HostConfig {
        let memory = i64::from(self.tier.memory_mb) * MEGABYTE;
        HostConfig {
            // Its own loopback, and nothing else.
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            privileged: Some(false),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            ipc_mode: Some("private".to_owned()),
            memory: Some(memory),
            // The same, so no swap.
            memory_swap: Some(memory),
            nano_cpus: Some(self.nano_cpus()),
            pids_limit: Some(i64::from(self.tier.pids)),
            // When the machine's memory ends it goes before the hub does.
            oom_score_adj: Some(500),
            ulimits: Some(vec![limit("nofile", DESCRIPTORS), limit("core", 0)]),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(volume),
                target: Some(VOLUME.to_owned()),
                ..Mount::default()
            }]),
            tmpfs: Some([("/tmp".to_owned(), SCRATCH.to_owned())].into()),
            // The edge starts it, and nobody else.
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(
                    [("max-size", "4m"), ("max-file", "2")]
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .into(),
                ),
            }),
            ..HostConfig::default()
        }
    }

    fn nano_cpus(&self) -> i64 {
        i64::from(self.tier.cpu_percent).min(self.cores * 100) * 10_000_000
    }
}

fn limit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::config::Exec;

    fn version(image: &str) -> Version {
        Version { at: image.to_owned(), ..Version::default() }
    }

    fn shape(image: &str, tier: Tier) -> Shape {
        let config = DockerConfig { tier, exec: Exec::Ask, ..DockerConfig::new("zaki-sandbox") };
        let around = Surroundings {
            edge: 1,
            model_proxy: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            model: "offline",
            choices: &["a".to_owned(), "b".to_owned()],
            api: zaki_edge_core::model::Wire::OpenAi,
        };
        Shape::new(&config, version(image), 2, &around)
    }

    #[test]
    fn a_container_has_no_privilege_no_network_and_no_mount_of_the_host() {
        let shape = shape("sha256:1", Tier::STANDARD_1);
        let place = Place { version: version("sha256:1"), ..Place::default() };
        let body = shape.body("a-volume".into(), &place, HashMap::new());
        assert_eq!(body.image.as_deref(), Some("sha256:1"));
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert!(host.cap_add.is_none() && host.binds.is_none() && host.devices.is_none());
        assert_eq!((host.readonly_rootfs, host.privileged), (Some(true), Some(false)));
        assert_eq!(host.memory, host.memory_swap);
        let mounts = host.mounts.unwrap();
        assert!(mounts.iter().all(|mount| mount.typ == Some(MountType::VOLUME)));
        assert_eq!(mounts.len(), 1);
        assert!(host.port_bindings.is_none());
        let env = body.env.unwrap();
        assert!(env.contains(&"ZAKI_SANDBOX_CHOICES=a,b".to_owned()));
        assert!(env.contains(&"ZAKI_SANDBOX_EXEC=ask".to_owned()));
        assert!(env.contains(&"ZAKI_SANDBOX_MEMORY_MB=1536".to_owned()));
    }

    #[test]
    fn no_more_cores_are_promised_than_there_are() {
        let tier = Tier { cpu_percent: 800, ..Tier::STANDARD_1 };
        assert_eq!(shape("sha256:1", tier).nano_cpus(), 2_000_000_000);
        let tier = Tier { cpu_percent: 50, ..Tier::STANDARD_1 };
        assert_eq!(shape("sha256:1", tier).nano_cpus(), 500_000_000);
    }

    #[test]
    fn another_image_or_tier_is_another_spec() {
        let spec = |image, tier| shape("sha256:1", tier).spec(&version(image));
        let one = spec("sha256:1", Tier::STANDARD_1);
        assert_eq!(one, spec("sha256:1", Tier::STANDARD_1));
        assert_ne!(one, spec("sha256:2", Tier::STANDARD_1));
        assert_ne!(one, spec("sha256:1", Tier::STANDARD_2));
    }
}
