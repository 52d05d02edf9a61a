//! How fast libraries inflate what nodes answer. The scraper inflates with libdeflate; zlib-rs takes over where
//! a body has several members or is bad.

use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::write::GzEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use libdeflater::{Crc, Decompressor};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

const CAPTURES: [(&str, &str); 3] = [
    ("node 1", include_str!("../../fixtures/data/es-node-1.prom")),
    ("node 2", include_str!("../../fixtures/data/es-node-2.prom")),
    ("node 3", include_str!("../../fixtures/data/es-node-3.prom")),
];
/// Bytes of a gzip header without fields, and of the checksum and the length at the end.
const HEADER: usize = 10;
const TRAILER: usize = 8;

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn checksum(body: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(body);
    crc.sum()
}

/// Each library into memory that is there, and the checksum with libdeflate's.
fn inflate(criterion: &mut Criterion) {
    for (name, capture) in CAPTURES {
        let packed = gzip(capture);
        let deflated = &packed[HEADER..packed.len() - TRAILER];
        let mut output = vec![0; capture.len()];
        let mut group = criterion.benchmark_group(format!("inflate {name}"));
        group.throughput(Throughput::Bytes(capture.len() as u64));

        let mut libdeflate = Decompressor::new();
        group.bench_function("libdeflate", |bencher| {
            bencher.iter(|| libdeflate.gzip_decompress(black_box(&packed), &mut output));
        });
        assert_eq!(output, capture.as_bytes());

        output.fill(0);
        let mut zlib_rs = Decompress::new(false);
        group.bench_function("zlib-rs", |bencher| {
            bencher.iter(|| {
                zlib_rs.reset(false);
                let status =
                    zlib_rs.decompress(black_box(deflated), &mut output, FlushDecompress::Finish);
                assert!(matches!(status, Ok(Status::StreamEnd)));
                checksum(&output)
            });
        });
        assert_eq!(output, capture.as_bytes());

        output.fill(0);
        let mut miniz_oxide = DecompressorOxide::new();
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        group.bench_function("miniz_oxide", |bencher| {
            bencher.iter(|| {
                miniz_oxide.init();
                let (status, ..) =
                    decompress(&mut miniz_oxide, black_box(deflated), &mut output, 0, flags);
                assert_eq!(status, TINFLStatus::Done);
                checksum(&output)
            });
        });
        assert_eq!(output, capture.as_bytes());
        group.finish();
    }
}

criterion_group!(benches, inflate);
criterion_main!(benches);
