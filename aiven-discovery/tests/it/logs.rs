use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prom_model::target::Access;
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::fakes::{BOTH, Fake, addresses, auth, list, listed, service, unauthorized, unreachable};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// What this thread logs until the guard is dropped.
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn take(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(text).unwrap();
        let mut lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort_unstable();
        lines
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_logged_and_repeats_are_not() {
    let (log, _guard) = Log::start();
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    assert_eq!(
        log.take(),
        [r#"INFO targets changed discovery=test targets=2"#]
    );
    fake.world().list = Err(unreachable);
    fake.world().hosts.clear();
    fake.world().credentials = Err(unreachable);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        log.take(),
        [
            r#"WARN lookups fail; the last addresses stay discovery="test" count=1 services="a" error="no addresses""#,
            "WARN the endpoint's credentials can't be read; the last ones stay discovery=\"test\" \
             error=\"aiven's api is unreachable: connection refused\"",
            "WARN the service list can't be read; the targets stay discovery=\"test\" error=\"aiven's api is \
             unreachable: connection refused\"",
        ]
    );
    fake.world().list = Ok(list([service("a")]));
    fake.resolve_to("a.host", addresses(&["10.0.0.3"]));
    fake.world().credentials = Ok(Some(auth("hunter2")));
    sleep(Duration::from_secs(3600)).await;
    let groups = running.discovery.groups().borrow().clone();
    let access: Arc<dyn Access> = groups[0].access.clone().unwrap();
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("hunter2")));
    assert_eq!(
        log.take(),
        [
            r#"INFO lookups succeed again discovery="test" count=1 services="a""#,
            r#"INFO targets changed discovery=test targets=1"#,
            r#"INFO the credentials can be read again discovery="test""#,
            r#"INFO the service list can be read again discovery="test""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_in_an_outage_is_told() {
    let (log, _guard) = Log::start();
    let fake = Fake::new();
    let _running = fake.run_until(&BOTH).await;
    fake.world().list = Err(unreachable);
    sleep(Duration::from_secs(3600)).await;
    log.take();
    // Once, however often the two take turns.
    for failure in [unauthorized, unreachable, unauthorized] {
        fake.world().list = Err(failure);
        sleep(Duration::from_secs(3600)).await;
    }
    assert_eq!(
        log.take(),
        [
            "WARN the service list can't be read; the targets stay discovery=\"test\" error=\"aiven refuses the \
             token (401): invalid token\""
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_loses_most_services_is_told_once() {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    const LOSS: &str = "WARN the service catalogue lists far fewer services, which aiven still has";
    // What Aiven and the catalogue have left of the names, and what is told.
    let f = async |could_hide: bool, of_aiven: &[&str], left: &[&str], want: &[&str]| {
        let (log, _guard) = Log::start();
        let fake = Fake::new();
        {
            let mut world = fake.world();
            world.listing_interval = Some(Duration::from_secs(60));
            world.listing_could_hide = could_hide;
            world.listing = listed(&NAMES);
            world.list = Ok(list(NAMES.map(service)));
            let hosts = NAMES.map(|name| (format!("{name}.host"), addresses(&["10.0.0.1"])));
            world.hosts.extend(hosts);
        }
        let running = fake.run_until(&["10.0.0.1:9273"; 5]).await;
        fake.world().list = Ok(list(of_aiven.iter().map(|name| service(name))));
        sleep(Duration::from_secs(600)).await;
        log.take();
        fake.world().listing = listed(left);
        sleep(Duration::from_secs(3600)).await;
        let told = log.take();
        let warnings: Vec<_> = told.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings, want, "{left:?} of {of_aiven:?}");
        let targets = left.iter().filter(|name| of_aiven.contains(name)).count();
        assert_eq!(running.targets().len(), targets);
    };
    let lost = |lost: &str| format!(r#"{LOSS} discovery="test" before=5 {lost}"#);
    let three = lost(r#"now=2 lost=3 service="c""#);
    f(true, &NAMES, &NAMES[..2], &[&three]).await;
    let replaced = lost(r#"now=4 lost=3 service="c""#);
    f(true, &NAMES, &["a", "b", "x", "y"], &[&replaced]).await;
    f(true, &NAMES, &NAMES[..3], &[]).await;
    // Aiven has dropped one of them, too.
    f(true, &NAMES[..4], &NAMES[..2], &[]).await;
    f(false, &NAMES, &NAMES[..2], &[]).await;
}
