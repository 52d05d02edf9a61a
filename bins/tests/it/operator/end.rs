//! The end comes in time, whatever hangs.

use std::fs::OpenOptions;
use std::process::Command;

use fixtures::MockAiven;

use crate::support::eventually;
use crate::support::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_hangs_holds_up_nothing() {
    let mut system = System::of(MockAiven::builder().nodes(1)).await;
    // A file that never ends: a pipe with somebody who could still write.
    let file = system.folder.path().join("exporter.yml");
    std::fs::remove_file(&file).unwrap();
    let made = Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    let _writer = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&file)
        .unwrap();
    system.exporter.program.signal("HUP");
    let opened = format!("/proc/{}/fd", system.exporter.program.id());
    eventually("a reload under way", async || {
        let files = std::fs::read_dir(&opened).unwrap().flatten();
        let mut targets = files.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.any(|target| target == file).then_some(())
    })
    .await;
    system.scraped_on().await;
    let health = system.exporter.site.get("/-/healthy", &[]).await;
    assert_eq!(health.status, 200);
    system.terminates(true).await;
}
