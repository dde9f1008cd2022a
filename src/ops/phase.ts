/** What a session is doing. The same words stand in code, logs and metric labels. */
export const PHASES = ['authorization', 'authenticating', 'connecting', 'transaction', 'closed'] as const;

export type Phase = (typeof PHASES)[number];
