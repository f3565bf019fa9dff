//! What the binary is made of, as CycloneDX: the crates that are linked into it, with their checksums and licences, and the
//! npm packages that its pages have.
//!
//! From `cargo metadata` and the two lock files, so that no tool need be installed. The same sources give the same list.

use crate::step::{cargo, root};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Writes `target/sbom.cdx.json` and says where.
pub(crate) fn write() -> anyhow::Result<()> {
    let output = cargo(&["metadata", "--format-version", "1", "--locked"]).output()?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let npm: Value =
        serde_json::from_str(&fs::read_to_string(root().join("web/package-lock.json"))?)?;
    let bill = bill(&metadata, &checksums(&lock), &npm)?;
    let path = root().join("target/sbom.cdx.json");
    fs::write(&path, serde_json::to_string_pretty(&bill)? + "\n")?;
    let count = bill["components"].as_array().map_or(0, Vec::len);
    println!("   target/sbom.cdx.json: {count} components");
    Ok(())
}

/// The checksum of each crate in `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_start_matches(" = ").trim_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter_map(|block| {
            let name_and_version = (value(block, "name")?, value(block, "version")?);
            Some((name_and_version, value(block, "checksum")?))
        })
        .collect()
}

fn bill(
    metadata: &Value,
    checksums: &BTreeMap<(String, String), String>,
    npm: &Value,
) -> anyhow::Result<Value> {
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let binary = packages
        .iter()
        .find(|(_, package)| package["name"] == "abanico")
        .map(|(id, _)| *id)
        .context("cargo metadata knows no package abanico")?;

    let mut linked = BTreeSet::new();
    let mut ahead = vec![binary];
    while let Some(id) = ahead.pop() {
        if linked.insert(id)
            && let Some(node) = nodes.get(id)
        {
            ahead.extend(linked_by(node));
        }
    }
    let component = |id: &str| {
        let package = packages[id];
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let checksum = checksums.get(&(name.to_owned(), version.to_owned()));
        json!({
            "type": "library",
            "bom-ref": purl("cargo", name, version),
            "name": name,
            "version": version,
            "purl": purl("cargo", name, version),
            "licenses": package["license"].as_str().map_or_else(Vec::new, |license| {
                vec![json!({ "expression": license.replace('/', " OR ") })]
            }),
            "hashes": checksum.map_or_else(Vec::new, |checksum| {
                vec![json!({ "alg": "SHA-256", "content": checksum })]
            }),
        })
    };
    let dependencies = |id: &&str| {
        let depends_on: BTreeSet<_> = nodes.get(id).map_or_else(BTreeSet::new, |node| {
            linked_by(node).map(|id| purl_of(packages[id])).collect()
        });
        json!({ "ref": purl_of(packages[*id]), "dependsOn": depends_on })
    };
    let mut components: Vec<Value> = linked
        .iter()
        .filter(|id| **id != binary)
        .map(|id| component(id))
        .collect();
    components.extend(pages(npm));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": purl_of(packages[binary]),
            "name": "abanico",
            "version": packages[binary]["version"],
        }},
        "components": components,
        "dependencies": linked.iter().map(dependencies).collect::<Vec<_>>(),
    }))
}

/// What a package links, on any system: neither what its tests nor what its build script need.
fn linked_by(node: &Value) -> impl Iterator<Item = &str> {
    let is_linked = |dependency: &&Value| {
        list(&dependency["dep_kinds"])
            .iter()
            .any(|kind| kind["kind"].is_null())
    };
    list(&node["deps"])
        .iter()
        .filter(is_linked)
        .filter_map(|dependency| dependency["pkg"].as_str())
}

/// The npm packages that are part of the pages.
fn pages(npm: &Value) -> Vec<Value> {
    let packages = npm["packages"].as_object();
    let of_pages = packages.into_iter().flatten().filter(|(path, package)| {
        path.starts_with("node_modules/") && package["dev"] != true && package["optional"] != true
    });
    of_pages
        .map(|(path, package)| {
            let name = path.rsplit("node_modules/").next().unwrap_or(path);
            let version = text(&package["version"]);
            let name_in_purl = name.replace('@', "%40");
            json!({
                "type": "library",
                "bom-ref": purl("npm", &name_in_purl, version),
                "name": name,
                "version": version,
                "purl": purl("npm", &name_in_purl, version),
                "licenses": package["license"].as_str().map_or_else(Vec::new, |license| {
                    vec![json!({ "expression": license })]
                }),
            })
        })
        .collect()
}

fn purl(kind: &str, name: &str, version: &str) -> String {
    format!("pkg:{kind}/{name}@{version}")
}

fn purl_of(package: &Value) -> String {
    purl("cargo", text(&package["name"]), text(&package["version"]))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_with_its_checksum_and_what_only_builds_or_tests_is_not() {
        let dependency = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let package = |name: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0"});
        let metadata = json!({
            "packages": [package("abanico"), package("one"), package("two"), package("tester"), package("builder")],
            "resolve": {"nodes": [
                {"id": "abanico", "deps": [
                    dependency("one", Value::Null),
                    dependency("tester", json!("dev")),
                    dependency("builder", json!("build")),
                ]},
                {"id": "one", "deps": [dependency("two", Value::Null)]},
                {"id": "two", "deps": []},
            ]},
        });
        let lock = "[[package]]\nname = \"two\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n";
        let npm = json!({"packages": {
            "": {},
            "node_modules/@scope/page": {"version": "2.0.0", "license": "MIT"},
            "node_modules/linter": {"version": "3.0.0", "dev": true},
        }});
        let bill = bill(&metadata, &checksums(lock), &npm).unwrap();
        let purls: Vec<_> = list(&bill["components"])
            .iter()
            .map(|component| text(&component["purl"]))
            .collect();
        assert_eq!(
            purls,
            [
                "pkg:cargo/one@1.0.0",
                "pkg:cargo/two@1.0.0",
                "pkg:npm/%40scope/page@2.0.0"
            ]
        );
        assert_eq!(bill["components"][1]["hashes"][0]["content"], "abc");
        assert_eq!(
            bill["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(
            bill["dependencies"][1],
            json!({"ref": "pkg:cargo/one@1.0.0", "dependsOn": ["pkg:cargo/two@1.0.0"]})
        );
    }
}
