//! What bodies that fail leave in memory.

use super::*;

/// Series that a target without samples has: those of its report.
const REPORTED: usize = REPORT.len();
/// More lines than failed bodies may add.
const MANY: usize = 6000;

/// A body of `count` series, told from others by `round`, whose last line fails.
fn failing(round: usize, count: usize, name_len: usize) -> String {
    let mut body = String::new();
    for series in 0..count {
        let name = "x".repeat(name_len);
        body.push_str(&format!("{name}{{round=\"{round}\",n=\"{series}\"}} 1\n"));
    }
    body.push_str("bad{ 1\n");
    body
}

#[test]
fn a_body_that_fails_leaves_few_of_its_series() {
    let mut target = Scraped::new(SampleRules::default());
    let good = "a 1\nb 2\n";
    target.write(Ok(good));
    for round in 0..4 {
        let text = target.write(Ok(&failing(round, MANY, 1)));
        assert!(text.contains("up 0"), "{text}");
        let held = target.recording.held();
        assert!(held <= REPORTED + 2 + 4100, "{round}: {held}");
        assert!(target.writer.cache.len() <= 4100);
    }
    // What is known to be good stays so: it isn't resolved again.
    let resolved = target.recording.resolved();
    target.scrape(
        good,
        "a{job=\"j\"} 1\nb{job=\"j\"} 2\nup 1 [2.0, 2.0, 0.0]\n",
    );
    assert_eq!(target.recording.resolved(), resolved);
    assert_eq!(target.recording.held(), REPORTED + 2);
    assert_eq!(target.writer.cache.len(), 2);
}

#[test]
fn a_body_of_long_names_that_fails_leaves_fewer() {
    let mut target = Scraped::new(SampleRules::default());
    for round in 0..3 {
        target.write(Ok(&failing(round, 40, 100_000)));
        let held = target.recording.held();
        assert!(held <= REPORTED + 10, "{round}: {held}");
    }
}

#[test]
fn what_fails_twice_is_resolved_once() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok("a 1\n"));
    target.write(Ok(&failing(0, 1000, 1)));
    let (resolved, held) = (target.recording.resolved(), target.recording.held());
    assert_eq!(held, REPORTED + 1001);
    target.write(Ok(&failing(0, 1000, 1)));
    target.write(Ok(&failing(0, 1000, 1)));
    assert_eq!(target.recording.resolved(), resolved);
}

#[test]
fn a_type_that_a_failed_body_changes_leaves_no_series() {
    let mut target = Scraped::new(SampleRules::default());
    let good = "# TYPE h gauge\nh_bucket{le=\"1\"} 1\n";
    target.write(Ok(good));
    let held = target.recording.held();
    // Other texts of the same lines mean other series, as long as the type holds.
    let text = target.write(Ok("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nbad{ 1\n"));
    assert!(text.contains("up 0"), "{text}");
    assert_eq!(target.recording.held(), held);
    target.scrape(
        good,
        "h_bucket{job=\"j\", le=\"1\"} 1\nup 1 [1.0, 1.0, 0.0]\n",
    );
}

#[test]
fn what_a_failed_body_tells_of_families_holds_until_a_good_one() {
    let mut target = Scraped::new(SampleRules::default());
    let good = "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n";
    let bad = "# TYPE a counter\na 1\n# TYPE b gauge\nb 1\nbad{ 1\n";
    target.write(Ok(good));
    target.write(Ok(bad));
    target.write(Ok(bad));
    let type_of = |target: &Scraped| target.recording.families()["a"].metric_type;
    assert_eq!(type_of(&target), MetricType::Counter);
    target.scrape(
        good,
        "a{job=\"j\"} 1\nb{job=\"j\"} 1\nup 1 [2.0, 2.0, 0.0]\n",
    );
    assert_eq!(type_of(&target), MetricType::Gauge);
}

#[test]
fn a_reload_between_failures_leaves_no_series() {
    let mut target = Scraped::new(SampleRules::default());
    target.write(Ok("a 1\nb 2\n"));
    for round in 0..4 {
        target.write(Ok(&failing(round, 1500, 1)));
        target.writer.forget_texts();
        let held = target.recording.held();
        assert!(held <= REPORTED + 2 + 4100, "{round}: {held}");
    }
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 1.0]\n");
    assert_eq!(target.recording.held(), REPORTED + 1);
}

#[test]
fn a_cache_does_not_grow_with_what_fails() {
    let mut target = Scraped::new(SampleRules {
        label_value_length_limit: 100,
        ..SampleRules::default()
    });
    target.write(Ok("a 1\n"));
    let long = "x".repeat(101);
    for round in 0..20 {
        let mut body = String::new();
        for series in 0..1000 {
            body.push_str(&format!("s{{round=\"{round}\",n=\"{series}\"}} 1\n"));
        }
        body.push_str(&format!("s{{x=\"{long}\"}} 1\n"));
        let text = target.write(Ok(&body));
        assert!(text.contains("up 0"), "{text}");
        assert!(
            target.writer.cache.len() <= 4098,
            "{}",
            target.writer.cache.len()
        );
    }
    // What is known to be good wasn't forgotten.
    target.scrape("a 1\n", "a{job=\"j\"} 1\nup 1 [1.0, 1.0, 0.0]\n");
    assert_eq!(target.writer.cache.len(), 1);
}

#[test]
fn a_large_body_that_always_fails_is_added_once() {
    let mut target = Scraped::new(SampleRules {
        sample_limit: 1500,
        ..SampleRules::default()
    });
    let body: String = (0..2000).map(|n| format!("s{{n=\"{n}\"}} 1\n")).collect();
    for added in ["1500.0", "0.0", "0.0"] {
        let text = target.write(Ok(&body));
        assert_eq!(
            text,
            format!("up 0 [2000.0, 2000.0, {added}]\nsample limit exceeded\n")
        );
    }
}
