//! Answers while targets change.

use super::*;

#[test]
fn an_answer_after_changes_is_that_of_a_store_that_never_had_others() {
    // So many that an index is mended where one of them changes.
    const TARGETS: usize = 24;
    let target = |at: usize| set(&[("instance", &format!("i{at:02}"))]);
    let usual =
        "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n# TYPE b counter\nb 3\nc{y=\"1\",z=\"2\"} 4\n";
    let bodies = [
        "# TYPE a gauge\na{x=\"1\"} 5\na{x=\"3\"} 6\nc{y=\"1\"} 7\n",
        "# TYPE a counter\na{x=\"2\"} 8\n# TYPE d gauge\nd{x=\"1\"} 9\n",
        "b{x=\"4\"} 10\nb{x=\"5\"} 11\nb 12\n",
        usual,
    ];
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let mut scraped = vec![usual; TARGETS];
    let mut writers: Vec<_> = (0..TARGETS)
        .map(|at| (scrape(&store, &target(at), Format::Text, ""), Vec::new()))
        .collect();
    for (at, (writer, series)) in (0..).zip(&mut writers) {
        *series = scrape_again(
            &mut **writer,
            &target(at),
            Format::Text,
            usual,
            NOW_MS + 1,
            &[],
        );
    }
    let everything = Asked {
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    let one = |at: usize| format!("{{instance=\"i{at:02}\"}}");
    for (step, at_ms) in (0..3 * TARGETS).zip(NOW_MS + 2..) {
        let at = step * 7 % TARGETS;
        let body = bodies[step % bodies.len()];
        let (writer, series) = &mut writers[at];
        *series = scrape_again(
            &mut **writer,
            &target(at),
            Format::Text,
            body,
            at_ms,
            series,
        );
        scraped[at] = body;
        if step % 10 == 9 {
            scraped.push(body);
            let new = target(scraped.len() - 1);
            writers.push((scrape(&store, &new, Format::Text, body), Vec::new()));
        }
        let fresh = Arc::new(Store::new(DEFAULT_LOOKBACK));
        let _fresh: Vec<_> = (0..)
            .zip(&scraped)
            .map(|(at, body)| scrape(&fresh, &target(at), Format::Text, body))
            .collect();
        let selectors = [&*one(at), &*one(step % TARGETS)];
        let narrow = Asked {
            selectors: &selectors,
            timestamps: Timestamps::LeftOut,
            ..Asked::default()
        };
        for asked in [&everything, &narrow, &narrow] {
            let got = text(Arc::clone(&store), asked);
            assert_eq!(got, text(Arc::clone(&fresh), asked), "{step}");
        }
    }
}
