//! How long it takes to read and compile a BPMN file of 60 KB, and a text of the same process.

use std::fmt::Write as _;

use bpmn::{Limits, read, read_text};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Service tasks in a row, each with mappings and a shape, as a modeler writes them.
fn file(tasks: usize) -> String {
    let mut process = String::new();
    let mut diagram = String::new();
    for n in 0..tasks {
        let next = n + 1;
        let _ = write!(
            process,
            "    <bpmn:serviceTask id=\"Activity_{n}\" name=\"Step {n}\">\n      \
             <bpmn:extensionElements>\n        \
             <zeebe:taskDefinition type=\"step-{n}\" retries=\"5\" />\n        \
             <zeebe:ioMapping>\n          \
             <zeebe:input source=\"=order.total * {n} + 1\" target=\"amount\" />\n          \
             <zeebe:output source=\"=result.id\" target=\"order.payment\" />\n        \
             </zeebe:ioMapping>\n      \
             </bpmn:extensionElements>\n      \
             <bpmn:incoming>Flow_{n}</bpmn:incoming>\n      \
             <bpmn:outgoing>Flow_{next}</bpmn:outgoing>\n    \
             </bpmn:serviceTask>\n    \
             <bpmn:sequenceFlow id=\"Flow_{next}\" sourceRef=\"Activity_{n}\" \
             targetRef=\"Activity_{next}\" />\n"
        );
        let _ = write!(
            diagram,
            "      <bpmndi:BPMNShape id=\"Activity_{n}_di\" bpmnElement=\"Activity_{n}\">\n        \
             <dc:Bounds x=\"{n}0\" y=\"80\" width=\"100\" height=\"80\" />\n      \
             </bpmndi:BPMNShape>\n      \
             <bpmndi:BPMNEdge id=\"Flow_{n}_di\" bpmnElement=\"Flow_{n}\">\n        \
             <di:waypoint x=\"{n}0\" y=\"120\" />\n        \
             <di:waypoint x=\"{n}50\" y=\"120\" />\n      \
             </bpmndi:BPMNEdge>\n"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<bpmn:definitions \
         xmlns:bpmn=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" \
         xmlns:bpmndi=\"http://www.omg.org/spec/BPMN/20100524/DI\" \
         xmlns:dc=\"http://www.omg.org/spec/DD/20100524/DC\" \
         xmlns:di=\"http://www.omg.org/spec/DD/20100524/DI\" \
         xmlns:zeebe=\"http://camunda.org/schema/zeebe/1.0\" id=\"Definitions_1\">\n  \
         <bpmn:process id=\"order\" isExecutable=\"true\">\n    \
         <bpmn:startEvent id=\"start\" />\n    \
         <bpmn:sequenceFlow id=\"Flow_0\" sourceRef=\"start\" targetRef=\"Activity_0\" />\n\
         {process}    <bpmn:endEvent id=\"Activity_{tasks}\" />\n  </bpmn:process>\n  \
         <bpmndi:BPMNDiagram id=\"D\">\n    <bpmndi:BPMNPlane id=\"P\" bpmnElement=\"order\">\n\
         {diagram}    </bpmndi:BPMNPlane>\n  </bpmndi:BPMNDiagram>\n</bpmn:definitions>\n"
    )
}

fn text(tasks: usize) -> String {
    let mut text = String::from("start s -> t0\n");
    for n in 0..tasks {
        let next = n + 1;
        let _ = writeln!(text, "task t{n} -> t{next} type=step-{n} retries=5");
        let _ = writeln!(text, "  in amount = \"=order.total * {n} + 1\"");
        let _ = writeln!(text, "  out order.payment = \"=result.id\"");
    }
    let _ = writeln!(text, "end t{tasks}");
    text
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bpmn");
    for (name, tasks) in [("6 KB", 5), ("60 KB", 55), ("600 KB", 540)] {
        let file = file(tasks);
        group.throughput(Throughput::Bytes(file.len() as u64));
        let limits = Limits::default();
        assert!(read(file.as_bytes(), &limits).is_ok());
        group.bench_function(name, |bencher| {
            bencher.iter(|| read(std::hint::black_box(file.as_bytes()), &limits));
        });
    }
    let text = text(55);
    group.throughput(Throughput::Bytes(text.len() as u64));
    assert!(read_text(&text).is_ok());
    group.bench_function("text of 55 tasks", |bencher| {
        bencher.iter(|| read_text(std::hint::black_box(&text)));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
