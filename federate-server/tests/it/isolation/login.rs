//! Users of a login who see the same service instances.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use federate_server::auth::{Login, LoginError};
use federate_server::federate::Federation;
use federate_server::http::AppState;
use federate_server::store::Store;
use federate_server::tenant::{TargetFilter, Tenant, TenantLimits};
use futures_util::future::BoxFuture;
use prom_model::label::LabelSet;
use prom_model::sample::Sample;
use prom_model::secret::Secret;
use prom_model::sink::Sink as _;

use super::limits::{ask, unread};
use super::world::tell;
use crate::support::{NOW_MS, app, labels, state};

/// So many that an answer is made in several pieces.
const SERIES: usize = 5000;
const FEDERATE: &str = "/federate?match[]=many";

/// Knows which service instances users see, and is asked at each request. Each user may be answered one at a time.
#[derive(Default)]
struct Roles(Mutex<BTreeMap<&'static str, Vec<&'static str>>>);

impl Roles {
    fn put(&self, user: &'static str, services: &[&'static str]) {
        self.0.lock().unwrap().insert(user, services.to_vec());
    }
}

impl Login for Roles {
    fn login<'a>(
        &'a self,
        user: &'a str,
        _password: &'a Secret,
    ) -> BoxFuture<'a, Result<Tenant, LoginError>> {
        let services = self.0.lock().unwrap()[user].clone();
        let tenant = Tenant {
            name: "users".into(),
            targets: TargetFilter::Values {
                name: "service_guid".into(),
                values: services.into_iter().map(Into::into).collect(),
            },
            metrics: Vec::new(),
            limits: TenantLimits {
                concurrency: NonZeroUsize::new(1),
                series: None,
            },
        };
        Box::pin(std::future::ready(Ok(tenant)))
    }

    fn fresh(&self) -> Duration {
        Duration::ZERO
    }
}

/// Series of the service instances 1 and 2, for those whom `roles` knows.
fn federating(roles: &Arc<Roles>) -> Router {
    let store = Arc::new(Store::new(Duration::from_secs(300)));
    for (service, count) in [("1", SERIES), ("2", 1)] {
        let target = labels(&[("service_guid", service)]);
        let mut writer = store.open(Arc::new(target.clone()));
        writer.begin(NOW_MS);
        for number in 0..count {
            let mut series = target.clone();
            series.extend([("__name__", "many"), ("number", &*number.to_string())]);
            let series = writer.resolve(&series, None);
            writer.append(series, Sample::new(1.0)).unwrap();
        }
        writer.commit();
        std::mem::forget(writer);
    }
    let state = AppState {
        federation: Arc::new(Federation::new(Arc::clone(&store), &LabelSet::new())),
        series: store,
        ..state()
    };
    state.auth.set_login(Some(Arc::clone(roles) as _));
    app(state)
}

#[tokio::test]
async fn who_sees_the_same_shares_neither_places_nor_fate() {
    let roles = Arc::new(Roles::default());
    roles.put("alice", &["1"]);
    roles.put("bob", &["1"]);
    let app = federating(&roles);
    let [alice, bob] = ["alice", "bob"].map(|user| ask(user, FEDERATE));
    let whole = tell(&app, alice.request()).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.text().matches("service_guid=\"1\"").count(), SERIES);
    assert_eq!(tell(&app, bob.request()).await, whole);

    let held = unread(&app, &alice).await;
    assert_eq!(tell(&app, alice.request()).await.status, 429);
    let of_bob = unread(&app, &bob).await;
    assert_eq!(of_bob.status(), 200);
    assert_eq!(tell(&app, bob.request()).await.status, 429);
    drop(held);

    roles.put("alice", &[]);
    let nothing = tell(&app, alice.request()).await;
    assert_eq!(
        (nothing.status.as_u16(), nothing.text()),
        (200, String::new())
    );
    let begun_before = to_bytes(of_bob.into_body(), usize::MAX).await.unwrap();
    assert!(begun_before == whole.body, "it is another one");
    assert_eq!(tell(&app, bob.request()).await, whole);
    roles.put("alice", &["2"]);
    let other = tell(&app, alice.request()).await.text();
    assert_eq!(other.matches("service_guid=").count(), 1);
    assert_eq!(other.matches("service_guid=\"2\"").count(), 1);
    assert_eq!(tell(&app, bob.request()).await, whole);
}
