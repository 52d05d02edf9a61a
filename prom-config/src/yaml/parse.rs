//! From text to nodes.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::layout::{self, Tabs};
use super::scalar::{Scalar, Style, Tag};
use super::{Content, Document, Node, Size};
use crate::error::{ConfigError, Position};

/// How deep lists and mappings nest, aliases expanded.
const MAX_DEPTH: usize = 64;
/// How many nodes may be there because of aliases: what yaml.v2 allows a large document.
const MAX_ALIASED_NODES: u64 = 400_000;
/// How many bytes of text may be there because of aliases.
const MAX_ALIASED_BYTES: u64 = 8 << 20;

/// Parses the first document of `text`. An empty text is a null.
///
/// Nesting is bounded at 64 levels and what aliases expand to at 400 000 nodes and 8 MiB of text,
/// so decoding costs no more than a file of that size.
///
/// # Errors
/// Where `text` isn't YAML, has an alias without an anchor or within its own anchor, or passes one
/// of the limits. Later documents are not read, except that the second one's start is looked for.
pub fn parse(text: &str) -> Result<Document, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    layout::check_text(text)?;
    let mut tabs = Tabs::new(text);
    let mut events = Parser::new_from_str(text);
    let mut builder = Builder::default();
    let mut root = None;
    while let Some(event) = events.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            // What follows the first document doesn't count.
            Err(_) if root.is_some() => break,
            Err(error) => return Err(syntax(&error)),
        };
        if let (Some(tabs), None) = (&mut tabs, &root) {
            tabs.see(&event, &span);
        }
        match (event, &root) {
            (Event::DocumentStart(_), Some(root)) => {
                return Ok(Document {
                    root: Node::clone(root),
                    ignored: Some(position(&span.start)),
                });
            }
            (Event::DocumentEnd, None) => {
                root = builder.root.take();
                tabs.take().map_or(Ok(()), Tabs::check)?;
            }
            (Event::StreamEnd, _) => break,
            (_, Some(_)) => {}
            (event, None) => builder.push(event, span)?,
        }
    }
    tabs.map_or(Ok(()), Tabs::check)?;
    let root = root.unwrap_or_else(|| node(Position::START, Content::Scalar(Scalar::plain(""))));
    Ok(Document {
        root,
        ignored: None,
    })
}

/// The lists and mappings that are open, outermost first.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    root: Option<Node>,
}

struct Open {
    position: Position,
    anchor: usize,
    children: Children,
}

enum Children {
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>, Option<Node>),
}

enum Anchor {
    /// Its node is not complete: an alias here would contain itself.
    Open,
    Complete(Node),
}

impl Builder {
    fn push(&mut self, event: Event<'_>, span: Span) -> Result<(), ConfigError> {
        let at = position(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar {
                    text: text.into(),
                    style: match style {
                        ScalarStyle::Plain => Style::Plain,
                        _ => Style::Quoted,
                    },
                    tag: tag.as_deref().map_or(Tag::Absent, tag_of),
                };
                self.complete(anchor, node(at, Content::Scalar(scalar)))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(Anchor::Complete(target)) => {
                    let alias = alias(at, target);
                    self.complete(0, alias)
                }
                Some(Anchor::Open) => Err(at.error("an alias within its own anchor")),
                None => Err(at.error("an alias without an anchor")),
            },
            Event::SequenceStart(anchor, _) => {
                self.start(at, anchor, Children::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                self.start(at, anchor, Children::Mapping(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(());
                };
                let content = match open.children {
                    Children::Sequence(items) => Content::Sequence(items),
                    Children::Mapping(entries, _) => Content::Mapping(entries),
                };
                self.complete(open.anchor, node(open.position, content))
            }
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        position: Position,
        anchor: usize,
        children: Children,
    ) -> Result<(), ConfigError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(position));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor::Open);
        }
        self.open.push(Open {
            position,
            anchor,
            children,
        });
        Ok(())
    }

    fn complete(&mut self, anchor: usize, node: Node) -> Result<(), ConfigError> {
        let size = node.size;
        if size.height + self.open.len() > MAX_DEPTH + 1 {
            return Err(too_deep(node.position));
        }
        if size.aliased_nodes > MAX_ALIASED_NODES || size.aliased_bytes > MAX_ALIASED_BYTES {
            return Err(node.error("too much comes from aliases"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor::Complete(node.clone()));
        }
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.root = Some(node),
            Some(Children::Sequence(items)) => items.push(node),
            Some(Children::Mapping(entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

fn node(position: Position, content: Content) -> Node {
    let own_bytes = match &content {
        Content::Scalar(scalar) => scalar.text.len() as u64,
        _ => 0,
    };
    let mut size = Size {
        nodes: 1,
        bytes: own_bytes,
        ..Size::default()
    };
    let mut add = |child: &Node| {
        size.nodes = size.nodes.saturating_add(child.size.nodes);
        size.aliased_nodes = size.aliased_nodes.saturating_add(child.size.aliased_nodes);
        size.bytes = size.bytes.saturating_add(child.size.bytes);
        size.aliased_bytes = size.aliased_bytes.saturating_add(child.size.aliased_bytes);
        size.height = size.height.max(child.size.height);
    };
    match &content {
        Content::Scalar(_) => {}
        Content::Sequence(items) => items.iter().for_each(add),
        Content::Mapping(entries) => entries.iter().for_each(|(key, value)| {
            add(key);
            add(value);
        }),
    }
    size.height += 1;
    Node {
        position,
        content: Arc::new(content),
        size,
    }
}

fn alias(position: Position, target: &Node) -> Node {
    let size = target.size;
    Node {
        position,
        content: Arc::clone(&target.content),
        size: Size {
            nodes: size.nodes.saturating_add(1),
            aliased_nodes: size.nodes,
            aliased_bytes: size.bytes,
            ..size
        },
    }
}

fn tag_of(tag: &saphyr_parser::Tag) -> Tag {
    if !tag.is_yaml_core_schema() {
        return Tag::Other;
    }
    match &*tag.suffix {
        "null" => Tag::Null,
        "bool" => Tag::Bool,
        "int" => Tag::Int,
        "float" => Tag::Float,
        "str" => Tag::Str,
        "timestamp" => Tag::Timestamp,
        "binary" => Tag::Binary,
        "merge" => Tag::Merge,
        _ => Tag::Other,
    }
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn syntax(error: &ScanError) -> ConfigError {
    position(error.marker()).error(format_args!("not YAML: {}", error.info()))
}

fn too_deep(position: Position) -> ConfigError {
    position.error(format_args!("nested deeper than {MAX_DEPTH} levels"))
}
