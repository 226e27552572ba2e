//! Orders in which everything comes after what it waits for.

/// All of `0..upstream.len()`, each after those upstream of it.
///
/// # Errors
/// A cycle if there is one: each is waited for by the next, and the last by the first, which is the smallest.
pub(crate) fn upstream_first(upstream: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut below = vec![Vec::new(); upstream.len()];
    for (at, before) in upstream.iter().enumerate() {
        before.iter().for_each(|before| below[*before].push(at));
    }
    let mut waits: Vec<usize> = upstream.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..waits.len()).filter(|at| waits[*at] == 0).collect();
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for &below in &below[at] {
            waits[below] -= 1;
            if waits[below] == 0 {
                order.push(below);
            }
        }
    }
    match waits.iter().position(|waits| *waits > 0) {
        None => Ok(order),
        Some(left) => Err(cycle(upstream, &waits, left)),
    }
}

/// Whatever is left waits for something that is left: going upstream leads into a cycle.
fn cycle(upstream: &[Vec<usize>], waits: &[usize], from: usize) -> Vec<usize> {
    let mut place = vec![None; upstream.len()];
    let mut way = Vec::new();
    let mut at = from;
    while place[at].is_none() {
        place[at] = Some(way.len());
        way.push(at);
        at = *upstream[at]
            .iter()
            .find(|before| waits[**before] > 0)
            .expect("it waits for something that is left");
    }
    let mut cycle = way.split_off(place[at].expect("the way has led here before"));
    cycle.reverse();
    let first = cycle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    cycle
}

#[cfg(test)]
mod tests {
    use super::upstream_first;

    #[test]
    fn what_is_waited_for_comes_first() {
        assert_eq!(upstream_first(&[vec![2], vec![0, 2], vec![]]), Ok(vec![2, 0, 1]));
    }

    #[test]
    fn a_cycle_is_told_from_what_waits_for_it() {
        // 0 waits for 1, which waits for 3, which waits for 2, which waits for 1.
        assert_eq!(upstream_first(&[vec![1], vec![3], vec![1], vec![2], vec![]]), Err(vec![1, 2, 3]));
        assert_eq!(upstream_first(&[vec![0]]), Err(vec![0]));
    }
}
