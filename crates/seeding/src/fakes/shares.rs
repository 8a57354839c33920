//! Divides a total into shares by weight.
//!
//! The shares are computed before any row is made. Their running sums give every group its ids, so groups can be made
//! in any order.

use std::ops::Range;

/// Rows of a table by group (staff by movie, comments by subject, ...).
#[derive(Clone, Debug)]
pub struct Shares {
    starts: Vec<u32>,
}

impl Shares {
    /// Divides `total` rows among the groups that have these weights. A group gets at most `most` rows, and none
    /// without a weight. Rows that do not fit are dropped.
    pub fn deal(total: u32, weights: &[f64], most: impl Fn(usize) -> u32) -> Self {
        let mut counts = vec![0u32; weights.len()];
        let mut left = total;
        while left > 0 {
            let open = |counts: &[u32], group: usize| weights[group] > 0.0 && counts[group] < most(group);
            let weight: f64 =
                (0..weights.len()).filter(|&group| open(&counts, group)).map(|group| weights[group]).sum();
            if weight <= 0.0 {
                break;
            }
            let (pool, mut carry) = (f64::from(left), 0.0);
            let before = left;
            for group in 0..weights.len() {
                if left == 0 || !open(&counts, group) {
                    continue;
                }
                let due = pool * weights[group] / weight + carry;
                let given = super::dice::whole(due).min(most(group) - counts[group]).min(left);
                // Rows for which a group had no room go to the next round.
                carry = due.fract();
                counts[group] += given;
                left -= given;
            }
            if left == before {
                // No group is due a whole row: the first one takes it.
                let Some(first) = (0..weights.len()).find(|&group| open(&counts, group)) else { break };
                counts[first] += 1;
                left -= 1;
            }
        }
        Self::from_counts(&counts)
    }

    /// Uses the given counts.
    pub fn from_counts(counts: &[u32]) -> Self {
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut sum = 0;
        starts.push(sum);
        for count in counts {
            sum += count;
            starts.push(sum);
        }
        Self { starts }
    }

    /// The total number of rows.
    pub fn total(&self) -> u32 {
        self.starts.last().copied().unwrap_or_default()
    }

    /// The number of groups.
    pub fn groups(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// The rows of a group, numbered from zero over all groups.
    pub fn of(&self, group: u32) -> Range<u32> {
        let group = group as usize;
        self.starts[group]..self.starts[group + 1]
    }

    /// The number of rows in the groups before one.
    pub fn before(&self, group: u32) -> u32 {
        self.starts[group as usize]
    }

    /// The number of rows of a group.
    pub fn count(&self, group: u32) -> u32 {
        self.of(group).len().try_into().unwrap_or(u32::MAX)
    }
}

/// A row's id, from its number counted from zero. The schema's ids are `integer`.
pub fn id(row: u32) -> i32 {
    i32::try_from(row).unwrap_or(i32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_dealt_exactly() {
        let weights: Vec<f64> = (1..=50).map(|rank| 1.0 / f64::from(rank)).collect();
        let shares = Shares::deal(1_000, &weights, |_| 1_000);
        assert_eq!((shares.total(), shares.groups()), (1_000, 50));
        assert!(shares.count(0) > shares.count(10));
    }

    #[test]
    fn bounds_and_weightless_groups_are_respected() {
        let shares = Shares::deal(100, &[10.0, 1.0, 0.0, 1.0], |group| if group == 0 { 5 } else { 30 });
        assert_eq!((shares.count(0), shares.count(1), shares.count(2), shares.count(3)), (5, 30, 0, 30));
    }
}
