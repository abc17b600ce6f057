/** Un-ionised ammonia, mg/L as nitrogen: from here on feed only adds to the harm (usual level for fish in fresh water). */
export const AMMONIA_ALARM = 0.05;
/** Water level, per cent of the normal one: below it a circulation pump runs dry. This project's own. */
export const RUN_DRY_PERCENT = 20;
