use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prom_model::target::Access;
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::fakes::{Fake, auth, list, service, unauthorized, unreachable};

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
    let running = fake.run();
    running
        .targets_become(&["10.0.0.1:9273", "10.0.0.2:9273"])
        .await;
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
            r#"WARN the endpoint's credentials can't be read; the last ones stay discovery="test" error="aiven's api is unreachable: connection refused""#,
            r#"WARN the service list can't be read; the targets stay discovery="test" error="aiven's api is unreachable: connection refused""#,
        ]
    );
    fake.world().list = Ok(list([service("a")]));
    fake.world()
        .hosts
        .insert("a.host".to_owned(), crate::fakes::addresses(&["10.0.0.3"]));
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
    let running = fake.run();
    running
        .targets_become(&["10.0.0.1:9273", "10.0.0.2:9273"])
        .await;
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
            r#"WARN the service list can't be read; the targets stay discovery="test" error="aiven refuses the token (401): invalid token""#
        ]
    );
}
