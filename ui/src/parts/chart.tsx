// Charts: the rate of the last minutes, and the histogram of a search with a brush. Colours come from the theme; a table for
// those who do not see them stands beside.

import uPlot from 'uplot';
import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { thousands } from '../numbers.ts';
import { outcomes, type Outcome } from '../record/schema.ts';
import { settings } from '../settings.ts';
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

/** 14:03 or 14:03:20, and the day where ticks are that far apart. */
function tickText(seconds: number, apart: number): string {
  const text = dayTime(seconds * 1000);
  if (apart >= 86_400) return text.slice(5, 10);
  return apart >= 60 ? text.slice(11, 16) : apart >= 1 ? text.slice(11, 19) : text.slice(14, 21);
}

interface ChartProps {
  label: string;
  /** Seconds since 1970, ascending, evenly apart. */
  times: readonly number[];
  counts: readonly Record<Outcome, number>[];
  height: number;
  onBrush?: (fromMs: number, toMs: number) => void;
  onPick?: (fromMs: number, toMs: number) => void;
}

export function OutcomeChart({ label, times, counts, height, onBrush }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const brush = useRef(onBrush);
  brush.current = onBrush;
  const width = times.length > 1 ? times[1]! - times[0]! : 1;

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
            settings.utc
              ? uPlot.tzDate(new Date(seconds * 1e3), 'Etc/UTC')
              : new Date(seconds * 1e3),
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
              values: (_, splits, __, ___, apart) => splits.map((at) => tickText(at, apart)),
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
                brush.current?.(Math.floor(from * 1000), Math.ceil(to * 1000));
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

  const totals = outcomes.map(
    (outcome) => [outcome, counts.reduce((sum, one) => sum + one[outcome], 0)] as const,
  );
  const words = totals
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${thousands(count)} ${outcome}`)
    .join(', ');
  return (
    <figure class="chart" aria-label={`${label}: ${words === '' ? 'nothing' : words}`}>
      <div ref={box} style={{ height: `${height}px` }} aria-hidden="true" />
    </figure>
  );
}
