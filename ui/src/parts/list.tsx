// A list of any length of which only what is seen is drawn. Above some million pixels browsers lose their place, so a longer
// list is scrolled by a scale: each slot of the scroll bar then stands for several rows.

import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type Rect,
} from '@tanstack/virtual-core';
import { useEffect, useLayoutEffect, useReducer, useRef } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';

const heightMax = 8_000_000;

// On paper a list is as long as its rows: taken for a window it would draw more of them, and be longer, without end.
const paper = matchMedia('print');

export interface ListControl {
  /** Brings a row into view. */
  show(position: number): void;
  toTop(): void;
}

interface Props {
  label: string;
  count: number;
  rowHeight: number;
  /** Draws the row at a position from the top; keys must not change while a row lives. */
  row: (position: number) => JSX.Element;
  keyOf: (position: number) => string | number;
  head?: ComponentChildren;
  empty?: ComponentChildren;
  control?: { current: ListControl | undefined };
  onTop?: (top: boolean) => void;
  onRange?: (first: number, end: number) => void;
}

export function List(props: Props): JSX.Element {
  const { count, rowHeight } = props;
  const box = useRef<HTMLDivElement>(null);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const slots = Math.min(count, Math.floor(heightMax / rowHeight));
  const latest = useRef(props);
  latest.current = props;
  const made = useRef<Virtualizer<HTMLDivElement, Element>>(null);
  const options = {
    count: slots,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 6,
    scrollToFn: elementScroll,
    observeElementRect: (
      instance: Virtualizer<HTMLDivElement, Element>,
      tell: (rect: Rect) => void,
    ) => observeElementRect(instance, (rect) => paper.matches || tell(rect)),
    observeElementOffset: (
      instance: Virtualizer<HTMLDivElement, Element>,
      tell: (offset: number, moving: boolean) => void,
    ) => observeElementOffset(instance, (offset, moving) => paper.matches || tell(offset, moving)),
    onChange: () => {
      draw(undefined as never);
      latest.current.onTop?.((box.current?.scrollTop ?? 0) < rowHeight / 2);
    },
  };
  if (made.current === null) made.current = new Virtualizer<HTMLDivElement, Element>(options);
  else made.current.setOptions({ ...made.current.options, ...options });
  const virtual = made.current;
  useLayoutEffect(() => virtual._didMount(), [virtual]);
  useLayoutEffect(() => virtual._willUpdate());
  useEffect(() => {
    virtual.measure();
  }, [rowHeight, virtual]);

  const items = virtual.getVirtualItems();
  const firstSlot = items[0]?.index ?? 0;
  const shown = items.length;
  // The first row drawn for the first slot drawn; without a scale the two are the same.
  const firstRow =
    slots === count
      ? firstSlot
      : Math.round((firstSlot / Math.max(1, slots - shown)) * (count - shown));
  const range = `${firstRow} ${shown}`;
  useEffect(() => latest.current.onRange?.(firstRow, firstRow + shown), [range, count]);
  if (props.control !== undefined) {
    props.control.current = {
      show: (position) => {
        const slot =
          slots === count
            ? position
            : Math.round((position / Math.max(1, count - 1)) * (slots - 1));
        virtual.scrollToIndex(slot, { align: 'auto' });
      },
      toTop: () => box.current?.scrollTo({ top: 0 }),
    };
  }
  return (
    <div
      class="list"
      ref={box}
      role="grid"
      aria-label={props.label}
      // With its head.
      aria-rowcount={count + 1}
      tabIndex={0}
    >
      {props.head !== undefined && (
        <div class="list-head" role="rowgroup">
          {props.head}
        </div>
      )}
      {count === 0 && props.empty !== undefined ? (
        <div class="list-empty" role="row">
          <div role="gridcell">{props.empty}</div>
        </div>
      ) : (
        <div class="list-body" role="rowgroup" style={{ height: `${slots * rowHeight}px` }}>
          <div
            class="list-window"
            role="presentation"
            style={{ transform: `translateY(${firstSlot * rowHeight}px)` }}
          >
            {items.map((_, i) => {
              const position = firstRow + i;
              return position < count ? (
                <div
                  key={props.keyOf(position)}
                  role="presentation"
                  class="list-slot"
                  style={{ height: `${rowHeight}px` }}
                >
                  {props.row(position)}
                </div>
              ) : null;
            })}
          </div>
        </div>
      )}
    </div>
  );
}
