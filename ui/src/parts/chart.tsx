// Charts: the rate of the last minutes, and the histogram of a search with a brush. Colours come from the theme; a table for
// those who do not see them stands beside.

import uPlot from 'uplot';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { thousands } from '../numbers.ts';
import { outcomes, type Outcome } from '../record/schema.ts';
import { settings } from '../settings.ts';
import { tickText, utc } from '../time.ts';
import { dayTime } from './text.tsx';

const drawnOutcomes: readonly Outcome[] = ['success', 'unknown', 'failure', 'denied'];

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const outcomeColours: Record<Outcome, string> = {
  success: '--bar',
  unknown: '--bar-faint',
  failure: '--amber',
  denied: '--red',
};

/** Stacked: each series is drawn over the ones above it, from the sum down. */
function stacked(counts: readonly Record<Outcome, number>[]): number[][] {
  const series: number[][] = drawnOutcomes.map(() => []);
  counts.forEach((one, x) => {
    let sum = 0;
    for (let i = drawnOutcomes.length - 1; i >= 0; i--) {
      sum += one[drawnOutcomes[i]!];
      series[i]![x] = sum;
    }
  });
  return series;
}

/** The bars of other times that a choice stands in now; undefined where it does not. */
function movedChoice(
  chosen: readonly [number, number],
  before: readonly number[],
  after: readonly number[],
): [number, number] | undefined {
  const [one, other] = chosen.map((at) =>
    after.findLastIndex((start) => start <= (before[at] ?? -1)),
  ) as [number, number];
  return one < 0 || other < 0 ? undefined : [one, other];
}

/** In words: when, and how many of which. */
function saysOf(
  times: readonly number[],
  counts: readonly Record<Outcome, number>[],
  first: number,
  last: number,
  width: number,
): string {
  const from = dayTime(Math.round(times[first]! * 1000)).slice(0, 19);
  const to = dayTime(Math.round((times[last + 1] ?? times[last]! + width) * 1000)).slice(0, 19);
  const sums = outcomes.map(
    (outcome) =>
      [outcome, counts.slice(first, last + 1).reduce((sum, one) => sum + one[outcome], 0)] as const,
  );
  const words = sums.filter(([, sum]) => sum > 0).map(([name, sum]) => `${thousands(sum)} ${name}`);
  const end = to.slice(0, 10) === from.slice(0, 10) ? to.slice(11) : to;
  return `${from} – ${end}: ${words.length === 0 ? 'nothing' : words.join(', ')}`;
}

interface ChartProps {
  label: string;
  /** Seconds since 1970, ascending, evenly apart but for days. */
  times: readonly number[];
  counts: readonly Record<Outcome, number>[];
  height: number;
  /** With it a stretch can be chosen, by pointer or by keys. Whole bars: what they count is what is found. */
  onBrush?: (fromMs: number, toMs: number) => void;
}

/** The bar at a time: the last that begins before it. */
function barAt(times: readonly number[], seconds: number): number {
  let at = times.length - 1;
  while (at > 0 && times[at]! > seconds) at--;
  return at;
}

export function OutcomeChart({ label, times, counts, height, onBrush }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const [pointed, setPointed] = useState<number>();
  // From where it was begun, to where the keys are now.
  const [chosen, setChosen] = useState<[number, number]>();
  const width = times.length > 1 ? times[1]! - times[0]! : 1;
  const brush = (one: number, other: number): void => {
    const end = times[Math.max(one, other) + 1] ?? times[times.length - 1]! + width;
    onBrush?.(Math.round(times[Math.min(one, other)]! * 1000), Math.round(end * 1000));
  };
  const latest = useRef({ times, brush });
  latest.current = { times, brush };

  useEffect(() => {
    const bars = uPlot.paths.bars!({ size: [0.9, 40], align: 1 });
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(
        {
          width: Math.max(200, box.current!.clientWidth),
          height,
          // Half of the last time stands to the right of it.
          padding: [6, 16, 0, 0],
          legend: { show: false },
          cursor: {
            y: false,
            drag: { x: onBrush !== undefined, y: false, setScale: false },
            points: { show: false },
          },
          tzDate: (seconds) =>
            settings.zone === ''
              ? new Date(seconds * 1e3)
              : uPlot.tzDate(
                  new Date(seconds * 1e3),
                  settings.zone === utc ? 'Etc/UTC' : settings.zone,
                ),
          scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
          axes: [
            {
              stroke: colour('--ink-3'),
              grid: { show: false },
              ticks: { show: false },
              size: 20,
              gap: 4,
              space: 70,
              font: '11px system-ui',
              values: (_, splits, __, ___, apart) =>
                splits.map((at) => tickText(at * 1000, apart, settings.zone)),
            },
            {
              stroke: colour('--ink-3'),
              grid: { stroke: colour('--line'), width: 1 },
              ticks: { show: false },
              size: 44,
              space: 22,
              font: '11px system-ui',
              incrs: [
                1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000,
                1_000_000, 10_000_000,
              ],
            },
          ],
          series: [
            {},
            ...drawnOutcomes.map((outcome) => ({
              label: outcome,
              fill: colour(outcomeColours[outcome]),
              stroke: 'transparent',
              width: 0,
              paths: bars,
              points: { show: false },
            })),
          ],
          hooks: {
            setSelect: [
              (self) => {
                if (self.select.width < 4) return;
                const from = self.posToVal(self.select.left, 'x');
                const to = self.posToVal(self.select.left + self.select.width, 'x');
                self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                const now = latest.current;
                now.brush(barAt(now.times, from), barAt(now.times, to));
              },
            ],
            setCursor: [
              (self) => {
                const left = self.cursor.left ?? -1;
                setPointed(
                  left < 0 ? undefined : barAt(latest.current.times, self.posToVal(left, 'x')),
                );
              },
            ],
          },
        },
        [[...times], ...stacked(counts)] as uPlot.AlignedData,
        box.current!,
      );
    };
    draw();
    let last = box.current!.clientWidth;
    const resized = new ResizeObserver(() => {
      const next = box.current?.clientWidth ?? 0;
      if (next > 0 && next !== last) plot.current?.setSize({ width: (last = next), height });
    });
    resized.observe(box.current!);
    const themed = settings.listen(draw);
    return () => {
      resized.disconnect();
      themed();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [height, onBrush !== undefined]);

  useEffect(() => {
    plot.current?.setData([[...times], ...stacked(counts)] as uPlot.AlignedData, false);
    if (times.length > 0)
      plot.current?.setScale('x', { min: times[0]!, max: times[times.length - 1]! + width });
  }, [times, counts]);
  // While the page reads a log its bars grow: what was chosen stays so, in whole bars.
  const drawn = useRef(times);
  useEffect(() => {
    const before = drawn.current;
    drawn.current = times;
    setChosen((one) => one && movedChoice(one, before, times));
  }, [onBrush === undefined ? undefined : times]);
  useEffect(() => {
    const own = plot.current;
    if (own === null || onBrush === undefined) return;
    if (chosen === undefined) own.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    else {
      const left = own.valToPos(times[Math.min(...chosen)]!, 'x');
      const right = own.valToPos(times[Math.max(...chosen)]! + width, 'x');
      own.setSelect({ left, top: 0, width: right - left, height: own.over.clientHeight }, false);
    }
  }, [chosen]);

  const pressed = (event: KeyboardEvent): void => {
    const last = times.length - 1;
    const at = chosen?.[1] ?? (event.key === 'ArrowLeft' || event.key === 'End' ? last + 1 : -1);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (next !== undefined) {
      const to = Math.max(0, Math.min(last, next));
      setChosen([event.shiftKey ? (chosen?.[0] ?? to) : to, to]);
    } else if (event.key === 'Enter' && chosen !== undefined) {
      brush(...chosen);
      setChosen(undefined);
    } else if (event.key === 'Escape' && chosen !== undefined) setChosen(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const totals = outcomes.map(
    (outcome) => [outcome, counts.reduce((sum, one) => sum + one[outcome], 0)] as const,
  );
  const words = totals
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${thousands(count)} ${outcome}`)
    .join(', ');
  const shown: [number, number] | undefined =
    chosen ?? (pointed === undefined ? undefined : [pointed, pointed]);
  const says =
    shown === undefined || Math.max(...shown) >= times.length
      ? undefined
      : saysOf(times, counts, Math.min(...shown), Math.max(...shown), width);
  return (
    <figure class="chart" aria-label={`${label}: ${words === '' ? 'nothing' : words}`}>
      <div ref={box} style={{ height: `${height}px` }} aria-hidden="true" />
      {onBrush !== undefined && (
        <div
          class="chart-keys"
          tabIndex={0}
          role="slider"
          aria-label={`${label}: arrows choose a stretch, with Shift several, Enter narrows the search to it`}
          aria-valuemin={0}
          aria-valuemax={times.length - 1}
          aria-valuenow={chosen?.[1] ?? 0}
          aria-valuetext={says ?? 'nothing chosen'}
          onKeyDown={pressed}
          onBlur={() => setChosen(undefined)}
        />
      )}
      {says !== undefined && (
        <div class="chart-says" aria-hidden="true">
          {says}
        </div>
      )}
    </figure>
  );
}
