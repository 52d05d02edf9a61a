//! OpenMetrics, well formed and not.

use serde_json::json;

use crate::differential::case::{Case, case, openmetrics, typed};

pub(crate) fn cases() -> Vec<Case> {
    let of = |bodies: &[&[u8]]| -> Vec<Case> {
        let cases = bodies.iter().map(|body| case(json!({}), openmetrics(body)));
        cases.collect()
    };
    let mut cases = of(SAME_IN_2);
    cases.extend(of(THREE).into_iter().map(Case::three));
    for version in ["0.0.1", "1.0.0", "2.0.0"] {
        let content_type = format!("application/openmetrics-text; version={version}");
        cases.push(case(json!({}), typed(&content_type, "a 1\n# EOF\n")));
    }
    cases
}

const SAME_IN_2: &[&[u8]] = &[
    // The end.
    b"# EOF",
    b"# EOF\n",
    b"\n# EOF\n",
    b"# EOF\n\n",
    b"# EOF \n",
    b"# EOFx\n",
    b"#EOF\n",
    b"# eof\n",
    b" # EOF\n",
    b"a 1\n",
    b"a 1",
    b"a 1\n# EOF",
    b"a 1\n# EOF\n",
    b"a 1\n# EOF\nb 1\n",
    b"a 1\n# EOF\n# EOF\n",
    b"a 1\n\n# EOF\n",
    b"a 1\r\n# EOF\r\n",
    // Blanks.
    b" a 1\n# EOF\n",
    b"a  1\n# EOF\n",
    b"a\t1\n# EOF\n",
    b"a{} 1\n# EOF\n",
    b"a {x=\"1\"} 1\n# EOF\n",
    b"a{x=\"1\"} 1\n# EOF\n",
    b"a{x=\"1\"}1\n# EOF\n",
    b"a{ x=\"1\"} 1\n# EOF\n",
    b"a{x=\"1\", y=\"2\"} 1\n# EOF\n",
    b"a{x = \"1\"} 1\n# EOF\n",
    b"a{,} 1\n# EOF\n",
    // Values and timestamps.
    b"a 1e3\n# EOF\n",
    b"a NaN\n# EOF\n",
    b"a nan\n# EOF\n",
    b"a +Inf\n# EOF\n",
    b"a -inf\n# EOF\n",
    b"a 0x10\n# EOF\n",
    b"a 1_0\n# EOF\n",
    b"a\n# EOF\n",
    b"a \n# EOF\n",
    b"a x\n# EOF\n",
    b"a 1 <<s-1000>>\n# EOF\n",
    b"a 1 <<s-1234>>\n# EOF\n",
    b"a 1 <<s-1000>>999\n# EOF\n",
    b"a 1 <<s-1000>>5 \n# EOF\n",
    b"a 1 0\nb 1\n# EOF\n",
    b"a 1 -1\nb 1\n# EOF\n",
    b"a 1 1e3\nb 1\n# EOF\n",
    b"a 1 1.7e9\nb 1\n# EOF\n",
    b"a 1 NaN\nb 1\n# EOF\n",
    b"a 1 Inf\nb 1\n# EOF\n",
    b"a 1 x\nb 1\n# EOF\n",
    b"a 1 <<-1000>>\nb 1\n# EOF\n",
    b"a 1 <<s-2000>>\na 2 <<s-1000>>\n# EOF\n",
    b"a 1 <<s-1000>>\na 2 <<s-2000>>\n# EOF\n",
    // Comments.
    b"# a comment\na 1\n# EOF\n",
    b"#\na 1\n# EOF\n",
    b"# HELP a help\na 1\n# EOF\n",
    b"# HELP a\na 1\n# EOF\n",
    b"# HELP a \na 1\n# EOF\n",
    b"# HELP\na 1\n# EOF\n",
    b"# HELP a x \\n \\\\ \\\" \\x\na 1\n# EOF\n",
    b"# HELP  a x\na 1\n# EOF\n",
    b"# HELP a \xff\na 1\n# EOF\n",
    b"#HELP a x\na 1\n# EOF\n",
    b"# TYPE a gauge\na 1\n# EOF\n",
    b"# TYPE a  gauge\na 1\n# EOF\n",
    b"# TYPE a gauge \na 1\n# EOF\n",
    b"# TYPE a\na 1\n# EOF\n",
    b"# TYPE a untyped\na 1\n# EOF\n",
    b"# TYPE a unknown\na 1\n# EOF\n",
    b"# TYPE a foo\na 1\n# EOF\n",
    b"# TYPE a Gauge\na 1\n# EOF\n",
    b"# TYPE a gauge\n# TYPE a counter\na 1\n# EOF\n",
    b"a 1\n# TYPE a gauge\na{x=\"1\"} 1\n# EOF\n",
    b"# UNIT a_seconds seconds\na_seconds 1\n# EOF\n",
    b"# UNIT a seconds\na 1\n# EOF\n",
    b"# UNIT a \na 1\n# EOF\n",
    b"# UNIT a\na 1\n# EOF\n",
    b"# UNIT seconds seconds\nseconds 1\n# EOF\n",
    b"# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n# EOF\n",
    b"# UNIT a_bytes seconds\na_bytes 1\n# EOF\n",
    b"# UNIT aseconds seconds\naseconds 1\n# EOF\n",
    // Types.
    b"# TYPE a counter\na_total 1\n# EOF\n",
    b"# TYPE a counter\na 1\n# EOF\n",
    b"# TYPE a counter\na_total 1\na_created 1.7e9\n# EOF\n",
    b"# TYPE a counter\na_total 1\na_created <<s-1000>>\n# EOF\n",
    b"# TYPE a counter\na_total 1 <<s-1000>>\na_created 1.7e9 <<s-1000>>\n# EOF\n",
    b"# TYPE a counter\na_total -1\n# EOF\n",
    b"# TYPE a counter\na_total NaN\n# EOF\n",
    b"# TYPE a info\na_info{version=\"1\"} 1\n# EOF\n",
    b"# TYPE a info\na_info{version=\"1\"} 2\n# EOF\n",
    b"# TYPE a stateset\na{a=\"on\"} 1\na{a=\"off\"} 0\n# EOF\n",
    b"# TYPE a stateset\na 5\n# EOF\n",
    b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\nh_created 1\n# EOF\n",
    b"# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
    b"# TYPE h gaugehistogram\nh_bucket{le=\"+Inf\"} 1\nh_gsum 1\nh_gcount 1\n# EOF\n",
    b"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\ns_created 1\n# EOF\n",
    // Exemplars.
    b"# TYPE a counter\na_total 1 # {t=\"u\"} 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\"} 1 <<s-1000>>\n# EOF\n",
    b"# TYPE a counter\na_total 1 <<s-1000>> # {t=\"u\"} 1 <<s-1000>>\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {} 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\"}\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\"} x\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\" 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 #{t=\"u\"} 1\n# EOF\n",
    b"# TYPE a counter\na_total 1# {t=\"u\"} 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 #\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\"} 1 x\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {t=\"u\"} 1 1 1\n# EOF\n",
    b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1 # {t=\"u\"} 1\n# EOF\n",
    // Duplicates.
    b"a 1\na 1\n# EOF\n",
    b"a 1\na 2\n# EOF\n",
    b"a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n# EOF\n",
    b"a{x=\"1\",x=\"2\"} 1\n# EOF\n",
    b"a 1\nb 1\na{x=\"1\"} 1\n# EOF\n",
    // Label values.
    b"a{x=\"\\n\\\\\\\"\\t\"} 1\n# EOF\n",
    b"a{x=\"\xff\"} 1\n# EOF\n",
    b"a{x=\"a\nb\"} 1\n# EOF\n",
    b"a{x=\"# EOF\"} 1\n# EOF\n",
    b"a{x=\"\"} 1\n# EOF\n",
    b"a{x} 1\n# EOF\n",
    b"{} 1\n# EOF\n",
    b"9 1\n# EOF\n",
    b"a-b 1\n# EOF\n",
];

const THREE: &[&[u8]] = &[
    // Seen otherwise by 2.
    b"",
    b"a 1 # EOF\n",
    b"a 1 \n# EOF\n",
    b"a{x=\"1\",} 1\n# EOF\n",
    b"a 1  <<s-1000>>\n# EOF\n",
    b"# TYPE a counter\na_total 1 # t=\"u\" 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 # \n# EOF\n",
    // Exemplars on any type.
    b"# TYPE a gauge\na 1 # {t=\"u\"} 1\n# EOF\n",
    b"a 1 # {t=\"u\"} 1\n# EOF\n",
    b"# TYPE s summary\ns{quantile=\"0.5\"} 1 # {t=\"u\"} 1\n# EOF\n",
    b"# TYPE a counter\na_total 1 # {\"t.t\"=\"u\"} 1\n# EOF\n",
    // Quoted names.
    b"{\"a.b\"} 1\n# EOF\n",
    b"{\"a.b\",x=\"1\"} 1\n# EOF\n",
    b"{\"a.b\", \"x.y\"=\"1\"} 1\n# EOF\n",
    b"a{\"x.y\"=\"1\"} 1\n# EOF\n",
    b"{x=\"1\",\"a.b\"} 1\n# EOF\n",
    b"{\"a\",\"b\"} 1\n# EOF\n",
    b"a{\"b\"} 1\n# EOF\n",
    b"{\"\"} 1\n# EOF\n",
    b"# TYPE \"a.b\" counter\n{\"a.b_total\"} 1\n# EOF\n",
    b"# HELP \"a.b\" help\n# UNIT \"a.seconds\" seconds\n{\"a.b\"} 1\n# EOF\n",
    b"# UNIT \"a.b_seconds\" seconds\n{\"a.b_seconds\"} 1\n# EOF\n",
    b"{\"\xff\"} 1\n# EOF\n",
    // `le` and `quantile` become floats.
    b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"10\"} 1\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
    b"# TYPE h gaugehistogram\nh_bucket{le=\"1\"} 1\n# EOF\n",
    b"# TYPE s summary\ns{quantile=\"1\"} 1\ns{quantile=\"0.90\"} 1\n# EOF\n",
    b"# TYPE h gauge\nh_bucket{le=\"1\"} 1\n# EOF\n",
];
