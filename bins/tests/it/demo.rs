//! The demo, as somebody tries it who has just built it.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::eventually;
use crate::support::http::Site;
use crate::support::program::Program;
use crate::support::samples::Samples;

#[tokio::test(flavor = "multi_thread")]
async fn what_it_prints_works() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.env_clear().args([
        "--services",
        "2",
        "--nodes",
        "2",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let mut demo = Program::start_typing(&mut command);
    let greeting = eventually("the greeting", async || {
        let printed = demo.stdout();
        printed.contains("Ctrl-C").then_some(printed)
    })
    .await;
    let commands: Vec<Curl> = greeting.lines().filter_map(Curl::parse).collect();
    assert_eq!(commands.len(), 7, "{greeting}");
    for curl in &commands {
        let answer = curl.run().await;
        assert!(!answer.is_empty(), "{curl:?}");
    }
    let all = Samples::parse(&commands[0].run().await);
    let of = |label: &str| {
        let values = all.iter().filter_map(|(labels, _)| labels.get(label));
        values.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    // Each node names itself in its samples, and is a target.
    assert_eq!((of("host").len(), of("instance").len()), (2, 2));
    let up = all.filter(|labels, _| labels.metric_name() == "up");
    assert!(up.iter().all(|(_, sample)| sample.value == 1.0));
    assert_eq!(up.len(), 2);
    let one = Samples::parse(&commands[1].run().await);
    assert_eq!(one.len(), 2, "{:?}", commands[1]);

    // The others see their own.
    let mut seen = BTreeSet::new();
    for (at, services) in [(0, 1), (2, 1), (3, 1), (4, 2)] {
        let samples = Samples::parse(&commands[at].run().await);
        let names = samples
            .iter()
            .filter_map(|(labels, _)| labels.get("service_name"));
        let names: BTreeSet<_> = names.map(str::to_owned).collect();
        assert_eq!(names.len(), services, "{:?}", commands[at]);
        seen.insert(names);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");

    // A service that somebody creates is federated, with nobody telling the exporter.
    demo.type_line("created-now");
    let of_created = r#"up{service_name="created-now"}"#;
    let created = Curl {
        selector: Some(of_created.to_owned()),
        ..commands[0].clone()
    };
    eventually("the created service", async || {
        let up = Samples::parse(&created.run().await);
        (up.len() == 2).then_some(())
    })
    .await;

    let page = greeting
        .split_whitespace()
        .find(|word| word.ends_with("/targets") && !word.ends_with("/sd/targets"));
    let word_after = |name: &str| {
        let mut words = greeting.split_whitespace();
        words.find(|word| *word == name);
        words.next().unwrap().to_owned()
    };
    let site = Site::new(page.unwrap()).with_user(&word_after("user"), &word_after("password"));
    let answer = site.get("", &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("<html"));

    demo.signal("INT");
    assert_eq!(demo.ended().await.code(), Some(0));
    assert_eq!(demo.log(), "", "nothing to warn of");
}

/// A printed command: `curl -sS -u USER:PASSWORD [-G --data-urlencode 'match[]=…'] URL`.
#[derive(Debug, Clone)]
struct Curl {
    user: String,
    password: String,
    selector: Option<String>,
    url: String,
}

impl Curl {
    fn parse(line: &str) -> Option<Self> {
        let arguments = line.trim().strip_prefix("curl -sS -u ")?;
        let (user, rest) = arguments.split_once(' ')?;
        let (user, password) = user.split_once(':')?;
        let selector = rest
            .strip_prefix("-G --data-urlencode 'match[]=")
            .map(|rest| rest.split_once('\'').unwrap().0.to_owned());
        let url = rest.split_whitespace().last()?;
        Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            selector,
            url: url.to_owned(),
        })
    }

    async fn run(&self) -> String {
        let site = Site::new(&self.url).with_user(&self.user, &self.password);
        let query: Vec<_> = self
            .selector
            .iter()
            .map(|it| ("match[]", it.as_str()))
            .collect();
        let answer = site.get("", &query).await;
        assert_eq!(answer.status, 200, "{self:?}: {}", answer.text());
        answer.text().to_owned()
    }
}
