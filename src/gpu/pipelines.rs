//! Shaders, specialised and compiled when they are first used.

use std::rc::Rc;

/// What a shader sees in front of its own text.
const COMMON: &str = include_str!("shaders/common.wgsl");

/// An entry point of a shader, and how it is specialised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Kernel {
    /// Texts that follow one another.
    pub source: &'static [&'static str],
    /// The entry point's name, and the label of everything that has to do with it.
    pub name: &'static str,
    /// Whether each of the storage buffers, from binding 1 on, is written to.
    pub writes: &'static [bool],
    /// Overrides of constants that are true; all others are false.
    pub flags: Flags,
}

/// Names of constants, of those that are true.
pub(super) type Flags = [Option<&'static str>; 2];

pub(super) const NO_FLAGS: Flags = [None, None];

/// A compiled [`Kernel`].
pub(super) struct Compiled {
    kernel: Kernel,
    pub pipeline: wgpu::ComputePipeline,
    /// Of the kernel's buffers.
    pub layout: wgpu::BindGroupLayout,
}

impl Compiled {
    pub fn name(&self) -> &'static str {
        self.kernel.name
    }
}

/// All that were compiled for a device.
#[derive(Default)]
pub(super) struct Pipelines {
    compiled: Vec<Rc<Compiled>>,
    dispatches: Option<wgpu::BindGroupLayout>,
}

impl Pipelines {
    pub fn get(&mut self, device: &wgpu::Device, kernel: Kernel) -> Rc<Compiled> {
        if let Some(found) = self.compiled.iter().find(|compiled| compiled.kernel == kernel) {
            return found.clone();
        }
        let label = Some(kernel.name);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl([&[COMMON], kernel.source].concat().concat().into()),
        });
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, false)];
        entries.extend(
            (1..).zip(kernel.writes).map(|(binding, writes)| {
                entry(binding, wgpu::BufferBindingType::Storage { read_only: !writes }, false)
            }),
        );
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let layouts = [Some(&layout), Some(self.dispatches(device))];
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &layouts,
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> = kernel.flags.into_iter().flatten().map(|name| (name, 1.0)).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: label,
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        let compiled = Rc::new(Compiled { kernel, pipeline, layout });
        self.compiled.push(compiled.clone());
        compiled
    }

    /// Of the uniform that says which workgroups a dispatch is.
    pub fn dispatches(&mut self, device: &wgpu::Device) -> &wgpu::BindGroupLayout {
        self.dispatches.get_or_insert_with(|| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("dispatch"),
                entries: &[entry(0, wgpu::BufferBindingType::Uniform, true)],
            })
        })
    }
}

fn entry(binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
