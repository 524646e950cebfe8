//! Sorts and collections that bring little code: those of the standard library are built anew for each type and each
//! order, 4 KB every time.

use std::cmp::Ordering;

/// Sorts; what is equal stays in its order.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(items.len(), &|one, two| compare(&items[one], &items[two]));
    // Where each is to go.
    let mut aims = vec![0; places.len()];
    for (aim, place) in places.into_iter().enumerate() {
        aims[place] = aim;
    }
    for place in 0..aims.len() {
        while aims[place] != place {
            let aim = aims[place];
            items.swap(place, aim);
            aims.swap(place, aim);
        }
    }
}

/// The same by a key of each.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |one, two| key(one).cmp(&key(two)));
}

/// These in their order, each once.
pub fn each_once<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = items.collect();
    sort_by(&mut all, T::cmp);
    all.dedup();
    all
}

/// How many there are of each, in their order.
pub fn counted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<(T, usize)> {
    let mut all: Vec<(T, usize)> = items.map(|item| (item, 1)).collect();
    sort_by(&mut all, |one, two| one.0.cmp(&two.0));
    all.dedup_by(|next, kept| {
        let alike = next.0 == kept.0;
        kept.1 += usize::from(alike);
        alike
    });
    all
}

/// The places of `count` things in the order of the things.
pub fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_unstable_by(|one, two| compare(*one, *two).then(one.cmp(two)));
    places
}

/// A set or a map of these, one put into it after the other. (`collect` sorts them first.)
pub fn gathered<T, C: Default + Extend<T>>(items: impl Iterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_the_standard_library(keys in prop::collection::vec(0_u8..20, 0..100)) {
            let mut items: Vec<(u8, String)> = keys.iter().enumerate().map(|(n, key)| (*key, n.to_string())).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
            sort_by(&mut items, |one, two| two.0.cmp(&one.0));
            prop_assert_eq!(items, expected);
        }

        #[test]
        fn it_is_the_count_of_a_map(keys in prop::collection::vec(0_u8..5, 0..50)) {
            let mut expected = std::collections::BTreeMap::new();
            for key in &keys {
                *expected.entry(*key).or_insert(0) += 1;
            }
            prop_assert_eq!(counted(keys.into_iter()), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
