/** Light and dark: as the system has it, or as chosen. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'holloway.theme';
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

function stored(): Theme {
  const held = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === held) ?? 'system';
}

export const appearance = $state({ theme: stored() });

/** Shows the pages as chosen. */
export function applyTheme(): void {
  const { theme } = appearance;
  if (theme === 'system') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = theme;
  }
}

export function chooseTheme(theme: Theme): void {
  appearance.theme = theme;
  localStorage.setItem(KEY, theme);
  applyTheme();
}
