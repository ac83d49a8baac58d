// What pages draw with: Preact, its hooks, and templates.
import { h, render, Fragment, createContext } from 'preact';
import htm from 'htm';

export * from 'preact/hooks';
export { h, render, Fragment, createContext };
export const html = htm.bind(h);
