//! Every shader parses, is valid, and keeps to WebGPU's default limits, with each of its constants off and on. No GPU needed.

use std::collections::HashMap;
use std::path::Path;

use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gpu/shaders");

/// Each shader behind `common.wgsl` and the other texts without an entry point whose functions it calls.
fn sources() -> Vec<(String, String)> {
    let paths = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<_> = paths.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    let (shaders, shared): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, text)| text.contains("@compute"));
    let called = |shader: &str, shared: &str| {
        let functions = shared.lines().filter_map(|line| line.strip_prefix("fn ")?.split('(').next());
        let words: Vec<&str> = shader.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let calls = |name: &str| words.contains(&&*format!("{name}("));
        functions.into_iter().any(calls)
    };
    let behind = |text: &str| -> String {
        let mut all = text.to_owned();
        let mut left: Vec<_> = shared.iter().collect();
        // Of those, some call each other.
        while let Some(at) = left.iter().position(|(name, own)| name == "common.wgsl" || called(&all, own)) {
            all = left.remove(at).1.clone() + &all;
        }
        all
    };
    shaders.iter().map(|(name, text)| (name.clone(), behind(text))).collect()
}

fn valid(name: &str, module: &Module) -> naga::valid::ModuleInfo {
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::default());
    validator.validate(module).unwrap_or_else(|error| panic!("{name}: {error:?}"))
}

#[test]
fn shaders_are_valid_with_every_constant_off_and_on() {
    let sources = sources();
    assert!(!sources.is_empty());
    for (name, source) in sources {
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("{name}: {}", error.emit_to_string(&source)));
        let info = valid(&name, &module);
        let constants: Vec<String> = module.overrides.iter().filter_map(|(_, own)| own.name.clone()).collect();
        assert!(!module.entry_points.is_empty(), "{name} has no entry point");
        for entry in &module.entry_points {
            for on in [0.0, 1.0] {
                let values: HashMap<String, f64> = constants.iter().map(|constant| (constant.clone(), on)).collect();
                let entry = Some((ShaderStage::Compute, entry.name.as_str()));
                let (module, _) = process_overrides(&module, &info, entry, &values.into_iter().collect())
                    .unwrap_or_else(|error| panic!("{name}, {entry:?}: {error}"));
                valid(&name, &module);
            }
        }
    }
}

#[test]
fn shaders_keep_to_the_default_limits() {
    for (name, source) in sources() {
        let module = naga::front::wgsl::parse_str(&source).unwrap();
        let info = valid(&name, &module);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        for (n, entry) in module.entry_points.iter().enumerate() {
            assert_eq!(entry.stage, ShaderStage::Compute);
            let threads: u32 = entry.workgroup_size.iter().product();
            assert!(threads <= 256, "{name}, {}: {threads} threads", entry.name);
            let used = info.get_entry_point(n);
            let (mut shared, mut storage) = (0, 0);
            for (_, variable) in module.global_variables.iter().filter(|(handle, _)| !used[*handle].is_empty()) {
                match variable.space {
                    AddressSpace::WorkGroup => shared += layouter[variable.ty].size.next_multiple_of(16),
                    AddressSpace::Storage { .. } => storage += 1,
                    _ => {}
                }
            }
            assert!(shared <= 16_384, "{name}, {}: {shared} bytes of workgroup memory", entry.name);
            assert!(storage <= 8, "{name}, {}: {storage} storage buffers", entry.name);
        }
    }
}

/// WGSL starts a variable without a value at 0 each time that its declaration is reached. Chromium 156 on SwiftShader does not, in a loop.
#[test]
fn variables_are_given_a_value() {
    for (name, source) in sources() {
        for line in source.lines().map(str::trim).filter(|line| line.starts_with("var ")) {
            assert!(line.contains('='), "{name}: {line}");
        }
    }
}
