//! A leader whose disk is almost full, while the others have room. Needs root, for a small file system of its own.

use corndogs::proto::v1alpha1::*;

use crate::common::cluster::Cluster;
use crate::common::small_disk::SmallDisk;
use crate::common::until;

/// Leaves less than the reserve.
const FILLER_BYTES: u64 = 2 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_fills_leaves_the_lead_to_one_with_room() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let mut cluster = Cluster::planned(3).await;
    cluster.node_mut(1).keep_data_in(disk.data_dir());
    for id in cluster.ids() {
        cluster.node_mut(id).start();
    }
    cluster.all_ready().await;
    cluster.command_done(2, &["transfer-leader", "1"]).await;
    let filler = disk.data_dir().join("filler");
    std::fs::write(&filler, vec![7; (disk.free() - FILLER_BYTES) as usize]).unwrap();
    until("a word that the disk is almost full", async || {
        let (code, text) = cluster.node(1).readyz().await;
        (code == 503 && text.contains("almost full")).then_some(())
    })
    .await;
    until("another leader", async || {
        let leader = cluster.node(2).status().await?.leader;
        [2, 3].contains(&leader).then_some(())
    })
    .await;
    // It takes writes, and what time brings comes by itself.
    let submit = SubmitTaskRequest {
        queue: "q".into(),
        timeout: 1,
        ..Default::default()
    };
    let mut api = cluster.api(2);
    api.submit(submit).await.unwrap();
    let claim = GetNextTaskRequest {
        queue: "q".into(),
        ..Default::default()
    };
    let claimed = api.claim(claim).await.unwrap().unwrap();
    until("the timeout of a task", async || {
        let task = api.get(&claimed.uuid).await.unwrap()?;
        (task.current_state == "submitted").then_some(())
    })
    .await;
    std::fs::remove_file(&filler).unwrap();
    cluster.all_ready().await;
    cluster.api(1).assert_serves().await;
    cluster.assert_same_state().await;
}
