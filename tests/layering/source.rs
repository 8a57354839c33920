//! The modules of a crate and the modules that each one names, read from the tokens of the source: without comments and
//! strings, but with paths inside macros. Test code is excluded.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The segments of a path.
pub type Name = Vec<String>;

/// The names in a module.
#[derive(Default)]
struct Module {
    /// Paths as written.
    paths: Vec<Name>,
    /// Re-exports, by their last segment.
    exports: BTreeMap<String, Name>,
    /// Submodules for tests.
    tests: Vec<String>,
}

/// A crate's modules by path. The root's path is empty.
#[derive(Default)]
pub struct Source(BTreeMap<Name, Module>);

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A module of the same crate.
    Inside(Name),
    /// Another crate, or a type or function in scope.
    Outside(Name),
}

/// A cycle of modules.
#[derive(Debug)]
pub struct Circle {
    /// Their paths.
    pub modules: Vec<String>,
    /// The edges of the cycle.
    #[expect(dead_code, reason = "a failing test shows them")]
    pub edges: Vec<String>,
}

impl Source {
    /// Reads the crate with its root in this folder.
    pub fn read(folder: &Path) -> Self {
        let mut source = Self::default();
        source.add(folder, &Vec::new());
        let below = |(at, module): (&Name, &Module)| {
            module.tests.iter().map(|name| [at.as_slice(), std::slice::from_ref(name)].concat()).collect::<Vec<_>>()
        };
        let tests: Vec<_> = source.0.iter().flat_map(below).collect();
        source.0.retain(|at, _| !tests.iter().any(|test| at.starts_with(test)));
        assert!(!source.0.is_empty(), "no source in {}", folder.display());
        source
    }

    fn add(&mut self, folder: &Path, at: &Name) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let own = [at.as_slice(), std::slice::from_ref(&stem)].concat();
            if path.is_dir() {
                self.add(&path, &own);
            } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
                let tokens = std::fs::read_to_string(&path).unwrap().parse().unwrap();
                let module = if matches!(&*stem, "lib" | "mod") { at.clone() } else { own };
                read_tokens(tokens, self.0.entry(module).or_default());
            }
        }
    }

    /// Each module with the modules that it names.
    pub fn names(&self) -> impl Iterator<Item = (&Name, Target)> {
        self.0.iter().flat_map(move |(at, module)| module.paths.iter().map(move |path| (at, self.resolve(at, path, 8))))
    }

    /// The target of `path` in the module `at`. A re-exported name stands for its origin.
    fn resolve(&self, at: &Name, path: &[String], steps_max: usize) -> Target {
        let (mut here, mut rest) = match &*path[0] {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (at.clone(), &path[1..]),
            "super" => (at.clone(), path),
            head if self.is_module(at, head) || self.export(at, head).is_some() => (at.clone(), path),
            _ => return Target::Outside(path.to_vec()),
        };
        while let Some((next, behind)) = rest.split_first() {
            if next == "super" {
                here.pop();
            } else if self.is_module(&here, next) {
                here.push(next.clone());
            } else {
                return match self.export(&here, next) {
                    Some(found) if steps_max > 0 => {
                        self.resolve(&here, &[found.as_slice(), behind].concat(), steps_max - 1)
                    }
                    _ => Target::Inside(here),
                };
            }
            rest = behind;
        }
        Target::Inside(here)
    }

    /// The target of a re-exported `name`, or None if the module defines it.
    fn export(&self, at: &[String], name: &str) -> Option<&Name> {
        self.0.get(at)?.exports.get(name).filter(|path| **path != [name])
    }

    fn is_module(&self, at: &[String], name: &str) -> bool {
        let path = [at, &[name.to_owned()]].concat();
        self.0.keys().any(|module| module.starts_with(&path))
    }

    /// The cycles among the modules of each folder: sets of modules that reach each other. The relation of a folder's own
    /// module to its submodules does not count.
    pub fn circles(&self) -> Vec<Circle> {
        let mut folders: BTreeMap<&[String], Vec<(&str, &str)>> = BTreeMap::new();
        let names: Vec<_> = self.names().collect();
        for (from, to) in &names {
            let Target::Inside(to) = to else { continue };
            let same = from.iter().zip(to).take_while(|(one, other)| one == other).count();
            if let (Some(one), Some(other)) = (from.get(same), to.get(same)) {
                folders.entry(&from[..same]).or_default().push((one, other));
            }
        }
        let mut circles = Vec::new();
        for (folder, mut edges) in folders {
            edges.sort_unstable();
            edges.dedup();
            let path = |name: &str| [folder, &[name.to_owned()]].concat().join("::");
            for circle in find_circles(&edges) {
                let has = |(from, to): &&(&str, &str)| circle.contains(from) && circle.contains(to);
                let edges = edges.iter().filter(has).map(|(from, to)| format!("{from} -> {to}")).collect();
                circles.push(Circle { modules: circle.iter().map(|name| path(name)).collect(), edges });
            }
        }
        circles
    }
}

fn find_circles<'n>(edges: &[(&'n str, &'n str)]) -> Vec<Vec<&'n str>> {
    let mut names: Vec<_> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    names.sort_unstable();
    names.dedup();
    let mut leads: Vec<Vec<bool>> =
        names.iter().map(|from| names.iter().map(|to| edges.contains(&(*from, *to))).collect()).collect();
    for by in 0..names.len() {
        let onward = leads[by].clone();
        for from in leads.iter_mut().filter(|from| from[by]) {
            from.iter_mut().zip(&onward).for_each(|(known, more)| *known |= more);
        }
    }
    let mut circles: Vec<Vec<&str>> = Vec::new();
    for (one, name) in names.iter().enumerate().filter(|(one, _)| leads[*one][*one]) {
        let circle = names.iter().enumerate().filter(|(other, _)| leads[one][*other] && leads[*other][one]);
        let circle: Vec<_> = circle.map(|(_, name)| *name).collect();
        if circle.first() == Some(name) {
            circles.push(circle);
        }
    }
    circles
}

/// Records all paths in these tokens.
fn read_tokens(tokens: TokenStream, module: &mut Module) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket && is_for_tests(group.stream()) => {
                // The following item is skipped, with its file if it is a module.
                while at < tokens.len() && !ends_item(&tokens[at]) {
                    if let [TokenTree::Ident(kind), TokenTree::Ident(name), ..] = &tokens[at..]
                        && *kind == "mod"
                    {
                        module.tests.push(name.to_string());
                    }
                    at += 1;
                }
            }
            TokenTree::Group(group) => read_tokens(group.stream(), module),
            TokenTree::Ident(ident) if *ident == "use" => {
                let end = at + tokens[at..].iter().position(|token| is_punct(token, ';')).unwrap_or_default();
                let is_public = at > 0 && matches!(&tokens[at - 1], TokenTree::Ident(before) if *before == "pub")
                    || at > 1 && matches!(&tokens[at - 2], TokenTree::Ident(before) if *before == "pub");
                read_use(&tokens[at + 1..end], &Vec::new(), is_public, module);
                at = end;
            }
            TokenTree::Ident(_) => {
                let (path, end) = read_path(&tokens, at);
                if path.len() > 1 {
                    module.paths.push(path);
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
}

/// The path that begins here, and its end.
fn read_path(tokens: &[TokenTree], mut at: usize) -> (Name, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        path.push(ident.to_string());
        at += 1;
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(one), Some(other)) if is_punct(one, ':') && is_punct(other, ':') => at += 2,
            _ => break,
        }
    }
    (path, at)
}

/// Records the imports and re-exports of a `use`.
fn read_use(tokens: &[TokenTree], prefix: &Name, is_public: bool, module: &mut Module) {
    for tree in tokens.split(|token| is_punct(token, ',')) {
        let leading = tree.iter().take_while(|token| is_punct(token, ':')).count();
        let (path, end) = read_path(tree, leading);
        let mut path = [prefix.as_slice(), &path].concat();
        if let Some(TokenTree::Group(group)) = tree.get(end) {
            read_use(&group.stream().into_iter().collect::<Vec<_>>(), &path, is_public, module);
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if path.is_empty() {
            continue;
        }
        module.paths.push(path.clone());
        let alias = match tree.last() {
            Some(TokenTree::Ident(alias)) if end < tree.len() => Some(alias.to_string()),
            _ => path.last().cloned(),
        };
        if let (true, Some(alias)) = (is_public, alias) {
            module.exports.insert(alias, path);
        }
    }
}

fn is_for_tests(attribute: TokenStream) -> bool {
    attribute.to_string().replace(' ', "") == "cfg(test)"
}

fn ends_item(token: &TokenTree) -> bool {
    is_punct(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

fn is_punct(token: &TokenTree, is: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == is)
}
