/** Every string that a person reads, in the languages that there are. */
import { fill } from './fill';
import { de } from '../locales/de';
import { en } from '../locales/en';

export type Key = keyof typeof en;
export type Catalogue = Record<Key, string>;
export type Language = 'en' | 'de';

export const LANGUAGES: readonly Language[] = ['en', 'de'];
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch' };

const KEY = 'holloway.language';
const CATALOGUES: Record<Language, Catalogue> = { en, de };

function preferred(): Language {
  const wanted = [localStorage.getItem(KEY) ?? '', ...navigator.languages];
  const known = wanted.map((tag) => LANGUAGES.find((language) => tag.toLowerCase().startsWith(language)));
  return known.find((language) => language !== undefined) ?? 'en';
}

export const locale = $state({ language: preferred() });

export function applyLanguage(): void {
  document.documentElement.lang = locale.language;
}

export function chooseLanguage(language: Language): void {
  locale.language = language;
  localStorage.setItem(KEY, language);
  applyLanguage();
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = CATALOGUES[locale.language][key];
  return fill(text, values, locale.language);
}
