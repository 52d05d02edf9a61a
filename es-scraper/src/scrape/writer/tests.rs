//! What sequences of bodies leave in the sink.

mod failures;

use std::collections::{BTreeMap, BTreeSet};

use prom_model::metadata::{Metadata, MetricType};
use prom_model::sink::Sink as _;
use proptest::prelude::*;

use super::*;
use crate::relabel::{RelabelConfig, RelabelFields};
use crate::scrape::recording::Recording;

/// A target that is scraped at 1000 ms, 2000 ms, …
struct Scraped {
    recording: Recording,
    writer: TargetWriter,
    workspace: Workspace,
    rules: SampleRules,
    content_type: &'static str,
    at_ms: i64,
}

impl Scraped {
    fn new(rules: SampleRules) -> Self {
        Self::with_labels(rules, &[("job", "j")])
    }

    fn with_labels(rules: SampleRules, labels: &[(&str, &str)]) -> Self {
        let recording = Recording::default();
        let labels: Arc<LabelSet> = Arc::new(labels.iter().copied().collect());
        Self {
            writer: TargetWriter::new(recording.open(Arc::clone(&labels)), labels),
            recording,
            workspace: Workspace::new(),
            rules,
            content_type: "text/plain",
            at_ms: 0,
        }
    }

    fn write(&mut self, fetched: Result<&str, ScrapeError>) -> String {
        self.at_ms += 1000;
        let time = ScrapeTime {
            at_ms: self.at_ms,
            now_ms: self.at_ms,
        };
        let answer = Answer {
            content_type: self.content_type.to_owned(),
            ..Answer::default()
        };
        let fetched = fetched.map(|body| Received {
            answer: &answer,
            body: body.as_bytes(),
        });
        let took = || Duration::from_millis(250);
        let (_, result) = self
            .writer
            .write(time, fetched, &self.rules, &mut self.workspace, took);
        let commits = self.recording.commits();
        let commit = commits.last().unwrap();
        assert_eq!(commit.at_ms, self.at_ms);
        let mut text = commit.lines(|name| !REPORT.contains(&name));
        let report = REPORT.map(|name| {
            let value = commit
                .samples
                .iter()
                .find(|(labels, _, _)| labels.metric_name() == name);
            value.map_or(f64::NAN, |(_, _, value)| *value)
        });
        assert_eq!(report[1], 0.25);
        text.push_str(&format!("up {} {:?}\n", report[0], &report[2..]));
        if let Err(error) = result {
            text.push_str(&format!("{error}\n"));
        }
        text
    }

    /// Scrapes `body` and compares what is committed: a line for each sample but those of the report,
    /// then `up` and the numbers of scraped, left and added samples, then the error.
    #[track_caller]
    fn scrape(&mut self, body: &str, want: &str) {
        assert_eq!(self.write(Ok(body)), want, "{body}");
    }

    #[track_caller]
    fn fail(&mut self, want: &str) {
        assert_eq!(self.write(Err(ScrapeError::DeadlineExceeded)), want);
    }
}

fn rule(fields: RelabelFields) -> Arc<[RelabelConfig]> {
    [RelabelConfig::new(fields).unwrap()].into()
}

fn drop_rule(regex: &str) -> Arc<[RelabelConfig]> {
    rule(RelabelFields {
        source_labels: vec![METRIC_NAME.to_owned()],
        regex: Some(regex.to_owned()),
        action: Some("drop".to_owned()),
        ..RelabelFields::default()
    })
}

#[test]
fn the_report_is_that_of_prometheus() {
    let mut target =
        Scraped::with_labels(SampleRules::default(), &[("job", "j"), ("instance", "i")]);
    target.write(Ok("a 1\na 2\n"));
    let commit = target.recording.commits().remove(0);
    assert_eq!(
        commit.lines(|_| true),
        "a{instance=\"i\", job=\"j\"} 1\n\
         scrape_duration_seconds{instance=\"i\", job=\"j\"} 0.25\n\
         scrape_samples_post_metric_relabeling{instance=\"i\", job=\"j\"} 2\n\
         scrape_samples_scraped{instance=\"i\", job=\"j\"} 2\n\
         scrape_series_added{instance=\"i\", job=\"j\"} 1\n\
         up{instance=\"i\", job=\"j\"} 1\n"
    );
}

#[test]
fn series_that_vanish_get_stale_and_may_return() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape(
        "a 1\nb 2\n",
        "a{job=\"j\"} 1\nb{job=\"j\"} 2\nup 1 [2.0, 2.0, 2.0]\n",
    );
    target.scrape(
        "a 1\nb 2\n",
        "a{job=\"j\"} 1\nb{job=\"j\"} 2\nup 1 [2.0, 2.0, 0.0]\n",
    );
    target.scrape(
        "b 3\n",
        "a{job=\"j\"} stale\nb{job=\"j\"} 3\nup 1 [1.0, 1.0, 0.0]\n",
    );
    target.scrape("b 3\n", "b{job=\"j\"} 3\nup 1 [1.0, 1.0, 0.0]\n");
    target.scrape(
        "a 4\nb 3\n",
        "a{job=\"j\"} 4\nb{job=\"j\"} 3\nup 1 [2.0, 2.0, 1.0]\n",
    );
    target.scrape(
        "",
        "a{job=\"j\"} stale\nb{job=\"j\"} stale\nup 1 [0.0, 0.0, 0.0]\n",
    );
    target.scrape("", "up 1 [0.0, 0.0, 0.0]\n");
    // An empty body forgets nothing.
    target.scrape("a 5\n", "a{job=\"j\"} 5\nup 1 [1.0, 1.0, 0.0]\n");
}

#[test]
fn a_failed_scrape_ends_all_series() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape(
        "a 1\nb 2\n",
        "a{job=\"j\"} 1\nb{job=\"j\"} 2\nup 1 [2.0, 2.0, 2.0]\n",
    );
    target.fail(
        "a{job=\"j\"} stale\nb{job=\"j\"} stale\nup 0 [0.0, 0.0, 0.0]\ncontext deadline exceeded\n",
    );
    target.fail("up 0 [0.0, 0.0, 0.0]\ncontext deadline exceeded\n");
    target.scrape("b 3\n", "b{job=\"j\"} 3\nup 1 [1.0, 1.0, 0.0]\n");
}

#[test]
fn a_bad_line_leaves_nothing_of_the_body() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n");
    let text = target.write(Ok("a 2\nb 2\nc{ 1\n"));
    let (samples, error) = text.split_at(text.find("line").unwrap());
    assert_eq!(samples, "a{job=\"j\"} stale\nup 0 [2.0, 2.0, 1.0]\n");
    assert!(error.starts_with("line 3, column"), "{error}");
    assert_eq!(target.recording.latest("b{job=\"j\"}"), None);
    target.scrape(
        "a 3\nb 3\n",
        "a{job=\"j\"} 3\nb{job=\"j\"} 3\nup 1 [2.0, 2.0, 0.0]\n",
    );
    // What cuts a body short in the middle of a number can't be noticed, but in the middle of a line it is.
    let text = target.write(Ok("a 4\nb"));
    assert!(
        text.starts_with("a{job=\"j\"} stale\nb{job=\"j\"} stale\nup 0"),
        "{text}"
    );
}

#[test]
fn what_is_no_exposition_is_refused() {
    let f = |body: &str, want: &str| {
        let text = Scraped::new(SampleRules::default()).write(Ok(body));
        let error = text.lines().last().unwrap();
        assert!(
            text.starts_with("up 0") && error.starts_with(want),
            "{body:?}: {text}"
        );
    };
    f("\u{1}\0garbage", "line 1, column 1: ");
    f("<html>\n", "line 1, column 1: ");
    f(
        &format!("a{{x=\"{}\"}} 1\n", "y".repeat(MAX_TEST_LINE)),
        "line is longer than",
    );
    f(
        &format!("# HELP a {}\n", "y".repeat(MAX_TEST_LINE)),
        "line is longer than",
    );
}

#[test]
fn a_body_that_is_said_to_be_protobuf_is_refused_whatever_the_fallback() {
    let mut target = Scraped::new(SampleRules {
        fallback_format: Some(Format::Text),
        ..SampleRules::default()
    });
    target.content_type = "application/json";
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n");
    target.content_type = "application/vnd.google.protobuf; encoding=delimited";
    let text = target.write(Ok("a 1\n"));
    assert!(text.starts_with("a{job=\"j\"} stale\nup 0"), "{text}");
    // Of nothing nobody asks what it would have been.
    target.scrape("", "up 1 [0.0, 0.0, 0.0]\n");
}

const MAX_TEST_LINE: usize = 1 << 20;

#[test]
fn labels_of_the_target_win_unless_the_exposed_are_honored() {
    let labels = [("a", "t"), ("exported_a", "t2"), ("job", "j")];
    let body = "x{a=\"1\",b=\"2\"} 1\ny{a=\"1\",exported_a=\"2\",exported_exported_a=\"3\"} 2\n";
    let mut target = Scraped::with_labels(SampleRules::default(), &labels);
    target.scrape(
        body,
        "x{a=\"t\", b=\"2\", exported_a=\"t2\", exported_exported_a=\"1\", job=\"j\"} 1\n\
         y{a=\"t\", exported_a=\"t2\", exported_exported_a=\"3\", \
         exported_exported_exported_a=\"1\", exported_exported_exported_exported_a=\"2\", \
         job=\"j\"} 2\nup 1 [2.0, 2.0, 2.0]\n",
    );
    let honor = SampleRules {
        honor_labels: true,
        ..SampleRules::default()
    };
    let mut target = Scraped::with_labels(honor, &labels);
    target.scrape(
        body,
        "x{a=\"1\", b=\"2\", exported_a=\"t2\", job=\"j\"} 1\n\
         y{a=\"1\", exported_a=\"2\", exported_exported_a=\"3\", job=\"j\"} 2\n\
         up 1 [2.0, 2.0, 2.0]\n",
    );
    // An empty value keeps the target's away.
    target.scrape(
        "x{a=\"\",job=\"\"} 1\n",
        "x{a=\"1\", b=\"2\", exported_a=\"t2\", job=\"j\"} stale\n\
         x{exported_a=\"t2\"} 1\n\
         y{a=\"1\", exported_a=\"2\", exported_exported_a=\"3\", job=\"j\"} stale\n\
         up 1 [1.0, 1.0, 1.0]\n",
    );
}

#[test]
fn relabelling_drops_and_renames() {
    let mut target = Scraped::new(SampleRules {
        metric_relabel_configs: drop_rule("b.*"),
        ..SampleRules::default()
    });
    target.scrape("a 1\nb 2\nbc 2\n", "a{job=\"j\"} 1\nup 1 [3.0, 1.0, 1.0]\n");
    target.scrape("a 1\nb 2\nbc 2\n", "a{job=\"j\"} 1\nup 1 [3.0, 1.0, 0.0]\n");
    // Other rules end what they drop, and take up what they let pass.
    target.rules.metric_relabel_configs = drop_rule("a");
    target.writer.forget_texts();
    target.scrape(
        "a 1\nb 2\n",
        "a{job=\"j\"} stale\nb{job=\"j\"} 2\nup 1 [2.0, 1.0, 1.0]\n",
    );
}

#[test]
fn a_series_without_a_name_fails_the_scrape() {
    let mut target = Scraped::new(SampleRules {
        metric_relabel_configs: rule(RelabelFields {
            regex: Some(METRIC_NAME.to_owned()),
            action: Some("labeldrop".to_owned()),
            ..RelabelFields::default()
        }),
        ..SampleRules::default()
    });
    target.scrape(
        "a 1\n",
        "up 0 [1.0, 0.0, 0.0]\nmissing metric name (__name__ label)\n",
    );
}

#[test]
fn series_that_relabelling_makes_one_have_the_first_value() {
    let mut target = Scraped::new(SampleRules {
        metric_relabel_configs: rule(RelabelFields {
            regex: Some("x".to_owned()),
            action: Some("labeldrop".to_owned()),
            ..RelabelFields::default()
        }),
        ..SampleRules::default()
    });
    let body = "a{x=\"1\"} 1\na{x=\"2\"} 2\n";
    target.scrape(body, "a{job=\"j\"} 1\nup 1 [2.0, 2.0, 2.0]\n");
    target.scrape(body, "a{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n");
    target.scrape("a{x=\"2\"} 3\n", "a{job=\"j\"} 3\nup 1 [1.0, 1.0, 0.0]\n");
    target.scrape(
        "b 3\n",
        "a{job=\"j\"} stale\nb{job=\"j\"} 3\nup 1 [1.0, 1.0, 1.0]\n",
    );
}

#[test]
fn of_a_repeated_line_the_first_counts() {
    let mut target = Scraped::new(SampleRules::default());
    for added in ["1.0", "0.0"] {
        let want = format!("a{{job=\"j\"}} 1\nup 1 [3.0, 3.0, {added}]\n");
        target.scrape("a 1\na 2\na 1\n", &want);
    }
    target.scrape(
        "b 1\na 2\n",
        "a{job=\"j\"} 2\nb{job=\"j\"} 1\nup 1 [2.0, 2.0, 1.0]\n",
    );
}

#[test]
fn explicit_timestamps_count_if_they_are_honored() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape(
        "a 1 500\nb 1\n",
        "a{job=\"j\"} 1 @500\nb{job=\"j\"} 1\nup 1 [2.0, 2.0, 2.0]\n",
    );
    // Out of order, a duplicate, and too far ahead.
    target.scrape("a 2 400\nb 1\n", "b{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n");
    target.scrape("a 3 500\nb 1\n", "b{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n");
    target.scrape(
        "a 3 604001\nb 1\n",
        "b{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n",
    );
    target.scrape(
        "a 3 605000\nb 1\n",
        "a{job=\"j\"} 3 @605000\nb{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n",
    );
    // No marker ends a series that brings its own time.
    target.scrape("b 1\n", "b{job=\"j\"} 1\nup 1 [1.0, 1.0, 0.0]\n");

    let mut target = Scraped::new(SampleRules {
        honor_timestamps: false,
        ..SampleRules::default()
    });
    target.scrape("a 1 500\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n");
    target.scrape(
        "b 1\n",
        "a{job=\"j\"} stale\nb{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n",
    );

    let mut target = Scraped::new(SampleRules {
        track_timestamps_staleness: true,
        ..SampleRules::default()
    });
    target.scrape("a 1 500\n", "a{job=\"j\"} 1 @500\nup 1 [1.0, 1.0, 1.0]\n");
    target.scrape(
        "b 1\n",
        "a{job=\"j\"} stale\nb{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n",
    );
}

#[test]
fn a_series_ends_when_it_begins_to_bring_its_own_time() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n");
    target.scrape("a 2 1500\n", "a{job=\"j\"} stale\nup 1 [1.0, 1.0, 0.0]\n");
    assert!(target.recording.latest("a{job=\"j\"}").unwrap().is_nan());
}

#[test]
fn several_samples_of_a_series_with_times_of_their_own() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape(
        "a 1 500\na 2 600\na 3 550\n",
        "a{job=\"j\"} 2 @600\nup 1 [3.0, 3.0, 1.0]\n",
    );
}

#[test]
fn sample_limit_counts_what_relabelling_leaves() {
    let mut target = Scraped::new(SampleRules {
        sample_limit: 2,
        metric_relabel_configs: drop_rule("d.*"),
        ..SampleRules::default()
    });
    let within = "a{job=\"j\"} 1\nb{job=\"j\"} 1\n";
    target.scrape(
        "a 1\nd1 1\nb 1\nd2 1\n",
        &format!("{within}up 1 [4.0, 2.0, 2.0]\n"),
    );
    let stale = "a{job=\"j\"} stale\nb{job=\"j\"} stale\n";
    let error = "sample limit exceeded\n";
    target.scrape(
        "a 1\nb 1\nc 1\nd 1\n",
        &format!("{stale}up 0 [4.0, 3.0, 0.0]\n{error}"),
    );
    target.scrape(
        "a 1\nb 1\nc 1\nd 1\n",
        &format!("up 0 [4.0, 3.0, 0.0]\n{error}"),
    );
    target.scrape("e 1\nf 1\ng 1\n", &format!("up 0 [3.0, 3.0, 2.0]\n{error}"));
    // What a failed scrape made known is not added a second time.
    target.scrape("e 1\nf 1\ng 1\n", &format!("up 0 [3.0, 3.0, 0.0]\n{error}"));
    target.scrape("a 1\nb 1\n", &format!("{within}up 1 [2.0, 2.0, 0.0]\n"));
}

#[test]
fn label_limits_fail_the_scrape() {
    let f = |rules: SampleRules, error: &str| {
        let mut target = Scraped::new(rules);
        let body = "a 1\nb{name=\"value\"} 1\nc 1\n";
        let want = format!("up 0 [2.0, 1.0, 1.0]\n{error}\n");
        target.scrape(body, &want);
        target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 0.0]\n");
    };
    f(
        SampleRules {
            label_limit: 2,
            ..SampleRules::default()
        },
        "label_limit exceeded (metric: b, number of labels: 3, limit: 2)",
    );
    f(
        SampleRules {
            label_value_length_limit: 4,
            ..SampleRules::default()
        },
        "label_value_length_limit exceeded (metric: b, label name: name, value: \"value\", \
         length: 5, limit: 4)",
    );
    let mut target = Scraped::new(SampleRules {
        label_name_length_limit: 8,
        ..SampleRules::default()
    });
    target.scrape(
        "a{long_name=\"1\"} 1\n",
        "up 0 [1.0, 0.0, 0.0]\nlabel_name_length_limit exceeded (metric: a, label name: \
         long_name, length: 9, limit: 8)\n",
    );
}

#[test]
fn a_target_may_expose_what_is_reported_of_it() {
    let mut target = Scraped::new(SampleRules::default());
    target.scrape("up 7\n", "up 7 [1.0, 1.0, 1.0]\n");
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup NaN [1.0, 1.0, 1.0]\n");
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 0.0]\n");
}

#[test]
fn the_end_of_a_target_ends_its_report_too() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok("a 1\nb 1 500\n"));
    target.writer.end(2000, &mut target.workspace);
    let commit = target.recording.commits().remove(1);
    assert_eq!(
        commit.lines(|_| true),
        "a{job=\"j\"} stale\n\
         scrape_duration_seconds{job=\"j\"} stale\n\
         scrape_samples_post_metric_relabeling{job=\"j\"} stale\n\
         scrape_samples_scraped{job=\"j\"} stale\n\
         scrape_series_added{job=\"j\"} stale\n\
         up{job=\"j\"} stale\n"
    );
    let Scraped {
        recording, writer, ..
    } = target;
    assert_eq!(recording.writers(), 1);
    drop(writer);
    assert_eq!(recording.writers(), 0);
}

#[test]
fn families_are_told_with_their_series() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok(
        "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\nb 2\n\
                     # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 1\nh_sum 1\n",
    ));
    let metadata = |metric_type, help: &str| Metadata {
        metric_type,
        help: help.into(),
        unit: "".into(),
    };
    let mut families = BTreeMap::from([
        ("a_total".to_owned(), metadata(MetricType::Counter, "Help.")),
        ("h".to_owned(), metadata(MetricType::Histogram, "")),
    ]);
    assert_eq!(target.recording.families(), families);
    let member = |series: &str, family: &str| (series.to_owned(), family.to_owned());
    let mut members = BTreeMap::from([
        member("a_total{job=\"j\"}", "a_total"),
        member("h_bucket{job=\"j\", le=\"1.0\"}", "h"),
        member("h_count{job=\"j\"}", "h"),
        member("h_sum{job=\"j\"}", "h"),
    ]);
    assert_eq!(target.recording.members(), members);

    // A new series under known comments, known ones under new comments, and comments that change.
    let text = target.write(Ok(
        "# HELP a_total Other.\n# TYPE a_total counter\na_total 1\n\
                                # TYPE b gauge\nb 2\n\
                                # TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\n\
                                h_count 1\nh_sum 1\n",
    ));
    assert!(text.ends_with("up 1 [6.0, 6.0, 1.0]\n"), "{text}");
    families.insert(
        "a_total".to_owned(),
        metadata(MetricType::Counter, "Other."),
    );
    families.insert("b".to_owned(), metadata(MetricType::Gauge, ""));
    assert_eq!(target.recording.families(), families);
    members.extend([
        member("b{job=\"j\"}", "b"),
        member("h_bucket{job=\"j\", le=\"2.0\"}", "h"),
    ]);
    assert_eq!(target.recording.members(), members);
}

#[test]
fn type_help_and_unit_are_told_apart() {
    let mut target = Scraped::new(SampleRules::default());
    target.content_type = "application/openmetrics-text";
    let mut f = |body: &str, want: [&str; 3]| {
        let text = target.write(Ok(&format!("{body}# EOF\n")));
        assert!(text.contains("up 1"), "{text}");
        let families = target.recording.families();
        let Metadata {
            metric_type,
            help,
            unit,
        } = &families["a_s"];
        assert_eq!([metric_type.as_str(), help, unit], want, "{body}");
    };
    f("# HELP a_s Help.\na_s 1\n", ["unknown", "Help.", ""]);
    f("# TYPE a_s gauge\na_s 1\n", ["gauge", "Help.", ""]);
    f("# UNIT a_s s\na_s 1\n", ["gauge", "Help.", "s"]);
    f("a_s 1\n", ["gauge", "Help.", "s"]);
    // In parts within one body.
    f(
        "# HELP a_s Other.\na_s{x=\"1\"} 1\n# TYPE a_s stateset\na_s{x=\"2\"} 1\n",
        ["stateset", "Other.", "s"],
    );
    // A new series has the comments before it read again; those that came later hold on.
    f(
        "# HELP a_s Other.\na_s{x=\"1\"} 1\n# TYPE a_s stateset\na_s{x=\"2\"} 1\n\
         # HELP a_s Last.\na_s{x=\"3\"} 1\n",
        ["stateset", "Last.", "s"],
    );
    f(
        "# HELP a_s Other.\na_s{x=\"1\"} 1\na_s{x=\"4\"} 1\n# TYPE a_s stateset\na_s{x=\"2\"} 1\n\
         # HELP a_s Last.\na_s{x=\"3\"} 1\n",
        ["stateset", "Last.", "s"],
    );
    // What is said to be nothing is nothing.
    f(
        "# HELP a_s \n# TYPE a_s unknown\n# UNIT a_s \na_s 1\n",
        ["unknown", "", ""],
    );
}

#[test]
fn a_member_is_told_by_all_that_is_known_of_its_family() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok(
        "# TYPE h histogram\nh_count 1\n# HELP h Help.\nh_sum 1\n",
    ));
    let members = target.recording.members();
    assert_eq!(members["h_sum{job=\"j\"}"], "h");
    assert_eq!(members["h_count{job=\"j\"}"], "h");
}

#[test]
fn another_type_makes_another_series_of_a_bucket() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok("# TYPE h gauge\nh_bucket{le=\"1\"} 1\n"));
    target.scrape(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\n",
        "h_bucket{job=\"j\", le=\"1\"} stale\nh_bucket{job=\"j\", le=\"1.0\"} 2\n\
         up 1 [1.0, 1.0, 0.0]\n",
    );
}

#[test]
fn open_metrics_bodies_are_known_again() {
    let mut target = Scraped::new(SampleRules::default());
    target.content_type = "application/openmetrics-text";
    let body = "# TYPE a counter\n# UNIT a_seconds seconds\n# HELP a Help.\na_total 1 0.5\nb 2 # {x=\"y\"} 1\n# EOF\n";
    let body = &body.replace("# UNIT a_seconds seconds\n", "");
    for added in ["2.0", "0.0", "0.0"] {
        let text = target.write(Ok(body));
        let want = format!("up 1 [2.0, 2.0, {added}]\n");
        assert!(text.ends_with(&want), "{text}");
    }
    let text = target.write(Ok(body.trim_end_matches("# EOF\n")));
    assert!(text.contains("up 0 [2.0, 2.0, 0.0]\n"), "{text}");
}

/// What a scrape does by the rules, without remembering anything but which series were there.
#[derive(Default)]
struct Model {
    tracked: BTreeSet<String>,
}

impl Model {
    fn scrape(&mut self, lines: &[Line]) -> String {
        let mut samples = BTreeMap::new();
        let mut tracked = BTreeSet::new();
        for line in lines {
            if let Line::Series(series, value) = line {
                let name = shown(*series);
                samples
                    .entry(name.clone())
                    .or_insert_with(|| value.to_string());
                tracked.insert(name);
            }
        }
        for ended in &self.tracked {
            samples
                .entry(ended.clone())
                .or_insert_with(|| "stale".to_owned());
        }
        self.tracked = tracked;
        samples
            .iter()
            .map(|(name, value)| format!("{name} {value}\n"))
            .collect()
    }

    fn fail(&mut self) -> String {
        let ended = std::mem::take(&mut self.tracked);
        ended.iter().map(|name| format!("{name} stale\n")).collect()
    }
}

#[derive(Debug, Clone)]
enum Line {
    Comment(u8),
    Blank,
    Series(u8, u8),
}

fn shown(series: u8) -> String {
    format!("m{{job=\"j\", n=\"{:03}\"}}", series / 2)
}

fn written(lines: &[Line]) -> String {
    let mut body = String::new();
    for line in lines {
        match line {
            Line::Comment(number) => body.push_str(&format!("# HELP m {number}\n")),
            Line::Blank => body.push('\n'),
            // Two texts for each series.
            Line::Series(series, value) if series % 2 == 0 => {
                body.push_str(&format!("m{{n=\"{:03}\"}} {value}\n", series / 2));
            }
            Line::Series(series, value) => {
                body.push_str(&format!("m{{n=\"{:03}\",}} {value}\n", series / 2));
            }
        }
    }
    body
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        1 => (0..3_u8).prop_map(Line::Comment),
        1 => Just(Line::Blank),
        6 => (0..24_u8, any::<u8>()).prop_map(|(series, value)| Line::Series(series, value)),
    ]
}

/// A first body and what is done to it from one scrape to the next.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        3 => Just(Edit::Values),
        2 => (any::<prop::sample::Index>(), line()).prop_map(|(at, line)| Edit::Insert(at, line)),
        2 => (any::<prop::sample::Index>(), 1..4_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
        1 => Just(Edit::Fail),
        1 => any::<prop::sample::Index>().prop_map(Edit::BadLine),
        1 => Just(Edit::Forget),
    ];
    prop::collection::vec(edit, 1..12)
}

#[derive(Debug, Clone)]
enum Edit {
    Values,
    Insert(prop::sample::Index, Line),
    Remove(prop::sample::Index, usize),
    Swap(prop::sample::Index, prop::sample::Index),
    Fail,
    BadLine(prop::sample::Index),
    Forget,
}

proptest! {
    #[test]
    fn remembering_changes_nothing(
        first in prop::collection::vec(line(), 0..30),
        edits in edits(),
    ) {
        let mut lines = first;
        let mut target = Scraped::new(SampleRules::default());
        let mut model = Model::default();
        let samples = |text: String| text[..text.find("up ").unwrap()].to_owned();
        prop_assert_eq!(samples(target.write(Ok(&written(&lines)))), model.scrape(&lines));
        for edit in edits {
            let len = lines.len();
            match edit {
                Edit::Values => for line in &mut lines {
                    if let Line::Series(_, value) = line {
                        *value = value.wrapping_add(7);
                    }
                },
                Edit::Insert(at, line) => lines.insert(at.index(len + 1), line),
                Edit::Remove(at, count) if len > 0 => {
                    let at = at.index(len);
                    lines.drain(at..len.min(at + count));
                }
                Edit::Swap(a, b) if len > 0 => lines.swap(a.index(len), b.index(len)),
                Edit::Remove(..) | Edit::Swap(..) => {}
                Edit::Fail => {
                    let text = target.write(Err(ScrapeError::DeadlineExceeded));
                    prop_assert_eq!(samples(text), model.fail());
                }
                Edit::BadLine(at) => {
                    let at = at.index(len + 1);
                    let body = format!("{}m{{ 1\n{}", written(&lines[..at]), written(&lines[at..]));
                    prop_assert_eq!(samples(target.write(Ok(&body))), model.fail());
                }
                Edit::Forget => target.writer.forget_texts(),
            }
            let body = written(&lines);
            prop_assert_eq!(samples(target.write(Ok(&body))), model.scrape(&lines), "{}", body);
        }
    }

    #[test]
    fn no_body_panics(bodies in prop::collection::vec("[ a{}=\",#\n0-9.]{0,40}", 1..6)) {
        let mut target = Scraped::new(SampleRules::default());
        for body in &bodies {
            target.write(Ok(body));
        }
        let live = target.recording.live();
        prop_assert!(live >= REPORT.len());
    }
}
