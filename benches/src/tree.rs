//! What a server costs: processor time and memory of a process and all that it started.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};

/// What the kernel counts processor time in: `USER_HZ`, 100 on every Linux that Tidegate runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A process and its descendants, as `/proc` shows them when asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    root: u32,
}

struct Process {
    parent: u32,
    ticks: u64,
}

impl Tree {
    /// The tree below this process.
    pub(crate) fn of(root: u32) -> Self {
        Self { root }
    }

    /// The tree that a process belongs to, from its parent on: a database's worker knows its own number only.
    pub(crate) fn of_parent(child: u32) -> Result<Self> {
        Ok(Self { root: read(child).with_context(|| format!("process {child} is not on this machine"))?.parent })
    }

    /// Processor time so far, user and system, also that of children that have ended.
    pub(crate) fn cpu(self) -> Result<Duration> {
        let all = processes()?;
        let ticks: u64 = self.members(&all).iter().filter_map(|id| all.get(id)).map(|it| it.ticks).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Memory that its processes hold now, in MiB; pages that they share count for each.
    pub(crate) fn resident_mib(self) -> Result<f64> {
        let all = processes()?;
        Ok(self.members(&all).into_iter().filter_map(resident_kib).sum::<f64>() / 1024.0)
    }

    fn members(self, all: &HashMap<u32, Process>) -> Vec<u32> {
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            members.extend(all.iter().filter(|(_, it)| it.parent == parent).map(|(id, _)| *id));
            next += 1;
        }
        members
    }
}

fn processes() -> Result<HashMap<u32, Process>> {
    let ids = std::fs::read_dir("/proc")?.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    // One that ended meanwhile is no loss: its parent has its time.
    Ok(ids.filter_map(|id| Some((id, read(id)?))).collect())
}

fn read(id: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold spaces. Behind it: the parent in field 4, times in 14 to 17.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|it| it.parse::<u64>().unwrap_or_default()).sum();
    Some(Process { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn resident_kib(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_what_its_root_started() {
        let mut child = std::process::Command::new("sh").args(["-c", "sleep 30 & wait"]).spawn().unwrap();
        let tree = Tree::of(child.id());
        let grandchild = loop {
            let members = tree.members(&processes().unwrap());
            if let [_, grandchild] = members[..] {
                break grandchild;
            }
        };
        assert!(tree.resident_mib().unwrap() > 0.0);
        assert_eq!(Tree::of_parent(grandchild).unwrap().root, child.id());
        let _ = std::process::Command::new("kill").arg(grandchild.to_string()).status();
        child.wait().unwrap();
    }
}
