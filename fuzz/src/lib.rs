//! What has to hold for any input.

use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;

/// The parser doesn't panic on `body`, ends, and reads known lines as it reads new ones.
pub fn check_parser(body: &[u8], format: Format) {
    let mut parser = Parser::new(body, format);
    let mut labels = LabelSet::new();
    loop {
        let start = parser.offset();
        let mut known = parser.clone();
        match parser.next_entry() {
            Ok(Some(Entry::Series(entry))) => {
                let _ = parser.labels(&mut labels);
                if body[start..].starts_with(entry.series)
                    && let Some((value, timestamp_ms)) = known.next_known_series(entry.series.len())
                {
                    assert_eq!(value.to_bits(), entry.value.to_bits());
                    assert_eq!(timestamp_ms, entry.timestamp_ms);
                    assert_eq!(known.offset(), parser.offset());
                }
            }
            Ok(Some(_)) => {
                let length = parser.offset() - start;
                if known.skip_known_lines(length, Some(parser.family_type())) {
                    assert_eq!(known.offset(), parser.offset());
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// `response` is read the same however the network cuts it; its pieces are as long as `lengths` say, and over again.
pub fn check_response(response: &[u8], lengths: &[u8]) {
    let mut end = 0;
    let cuts = lengths.iter().cycle().map(|length| {
        end += usize::from(*length) + 1;
        end
    });
    let cuts = cuts.take_while(|cut| *cut < response.len());
    es_scraper::scrape::check_response(response, cuts);
}
