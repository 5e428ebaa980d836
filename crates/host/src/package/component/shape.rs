//! The type of a function of a component as text, for comparing and for people.
//!
//! Boundary: names of types are left out, because they do not matter between components.
//! Read first: [`function`].

use wasmparser::component_types::{ComponentDefinedType, ComponentEntityType, ComponentValType};
use wasmparser::types::TypesRef;

/// Types may share parts, so that the text could be far longer than the component.
const TEXT_BYTES_MAX: usize = 4096;

/// `(name: type, …) -> type`; what is no function says so.
pub(super) fn function(types: TypesRef<'_>, item: &ComponentEntityType) -> String {
    let ComponentEntityType::Func(id) = item else { return "no function".to_owned() };
    let mut out = String::from("(");
    let function = &types[*id];
    let params = function.params.iter().map(|(name, ty)| (name.as_str(), Some(*ty)));
    list(types, params, ": ", &mut out);
    out.push(')');
    if let Some(result) = function.result {
        out.push_str(" -> ");
        value(types, result, &mut out);
    }
    out
}

/// Names with what belongs to them.
fn list<'n>(
    types: TypesRef<'_>,
    entries: impl Iterator<Item = (&'n str, Option<ComponentValType>)>,
    between: &str,
    out: &mut String,
) {
    for (position, (name, ty)) in entries.enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        out.push_str(name);
        let Some(ty) = ty else { continue };
        out.push_str(between);
        value(types, ty, out);
        if between == "(" {
            out.push(')');
        }
    }
}

fn value(types: TypesRef<'_>, ty: ComponentValType, out: &mut String) {
    if out.len() > TEXT_BYTES_MAX {
        return;
    }
    let id = match ty {
        ComponentValType::Primitive(primitive) => return out.push_str(&primitive.to_string()),
        ComponentValType::Type(id) => id,
    };
    match &types[id] {
        ComponentDefinedType::Primitive(primitive) => out.push_str(&primitive.to_string()),
        ComponentDefinedType::Record(record) => {
            out.push_str("record{");
            let fields = record.fields.iter().map(|(name, ty)| (name.as_str(), Some(*ty)));
            list(types, fields, ": ", out);
            out.push('}');
        }
        ComponentDefinedType::Variant(variant) => {
            out.push_str("variant{");
            let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty));
            list(types, cases, "(", out);
            out.push('}');
        }
        ComponentDefinedType::Enum(names) => {
            out.push_str("enum{");
            list(types, names.iter().map(|name| (name.as_str(), None)), "", out);
            out.push('}');
        }
        ComponentDefinedType::List { element, .. } => wrapped("list", types, &[*element], out),
        ComponentDefinedType::Option { ty, .. } => wrapped("option", types, &[*ty], out),
        ComponentDefinedType::Tuple(tuple) => wrapped("tuple", types, &tuple.types, out),
        ComponentDefinedType::Result { ok, err, .. } => {
            out.push_str("result<");
            match ok {
                Some(ok) => value(types, *ok, out),
                None => out.push('_'),
            }
            if let Some(err) = err {
                out.push_str(", ");
                value(types, *err, out);
            }
            out.push('>');
        }
        // Nothing of ours has them.
        _ => out.push_str("another type"),
    }
}

fn wrapped(name: &str, types: TypesRef<'_>, of: &[ComponentValType], out: &mut String) {
    out.push_str(name);
    out.push('<');
    list(types, of.iter().map(|ty| ("", Some(*ty))), "", out);
    out.push('>');
}
